//! Another configuration for a service that runs, by SIGHUP; in a child process, which gets it.

use super::four::Servers;
use super::run::Service;
use crate::behaviour::PATIENCE;
use integration_tests::rotation::{Mounted, Users};
use integration_tests::{Redis, Subject, eventually};
use qa_pool::{Config, Effect, ResourcePool, State};
use qa_servers::tls::Authority;
use qa_servers::{Server, System};
use rustix::process::Signal;

#[tokio::test]
async fn a_hangup_has_the_file_read_anew() {
    let servers = Servers::shared().await;
    let url = Redis::url(servers.redis, "hangup").await;
    let with = |more: &str| format!("[[resource]]\nname = 'cache'\nurl = '{url}'\n{more}\n");
    let mut service = Service::start(&with(""), "follow", &[]);
    service.until("within 5s on connection 1").await;

    service.rewrite(&with("acquire_timeout = '7s'"));
    service.signal(Signal::HUP);
    service.until("within 7s on connection 1").await;

    service.rewrite(&with("acquire_timeout = '9s'\nmax_in_flight = 4"));
    service.signal(Signal::HUP);
    service.until("within 9s on connection 2").await;
    service.signal(Signal::TERM);
    let (code, said) = service.end().await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("resource `cache`: acquire_timeout is in force now"), "{said}");
    assert!(said.contains("max_in_flight is in force with a fresh connection"), "{said}");
}

#[tokio::test]
async fn a_file_with_a_mistake_is_logged_with_its_line_and_changes_nothing() {
    let servers = Servers::shared().await;
    let url = Redis::url(servers.redis, "mistaken").await;
    let good = format!("[[resource]]\nname = 'cache'\nurl = '{url}'\n");
    let mut service = Service::start(&good, "follow", &[]);
    service.until("within 5s on connection 1").await;
    service.rewrite(&format!("{good}acquire_timeot = 'c4n4ry'\n"));
    service.signal(Signal::HUP);
    service.says("nothing is changed").await;
    service.signal(Signal::TERM);
    let (code, said) = service.end().await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains(".toml:4: unknown field `acquire_timeot`"), "{said}");
    assert!(!said.contains("c4n4ry"), "{said}");
}

#[tokio::test]
async fn a_secret_that_is_mounted_anew_is_taken_without_a_signal() {
    let server = Servers::shared().await.redis;
    let (first, second) = ("mounted-first", "mounted-second");
    Redis::add_user(server, "mounted", first, "one").await;
    Redis::add_user(server, "mounted", second, "two").await;
    let mounted = Mounted::new(first, "one");
    let config = mounted.resource("cache", &server.url());
    let mut service = Service::start(&config, "follow", &[]);
    service.until("within 5s on connection 1").await;
    mounted.write(second, "two");
    service.until("within 5s on connection 2").await;
    Redis::remove_user(server, first).await;
    service.signal(Signal::TERM);
    let (code, said) = service.end().await;
    assert_eq!(code, 0, "{said}");
    Redis::remove_user(server, second).await;
}

#[tokio::test]
async fn a_reload_takes_what_it_can_and_says_what_it_can_not() {
    let server = Servers::shared().await.redis;
    let url = Redis::url(server, "reload").await;
    let with = |url: &str, more: &str| {
        Config::from_toml(&format!("[[resource]]\nname = 'cache'\nurl = '{url}'\n{more}")).unwrap()
    };
    let pool = ResourcePool::from_config(&with(&url, "")).unwrap();
    pool.connect().await.unwrap();
    let moved = with("redis://elsewhere", "retry_attempts = 1\nrequired = false");
    for _ in 0..2 {
        let changes = pool.reload(&moved).await;
        let stays = changes.iter().find(|change| change.key == "url").unwrap();
        assert_eq!(stays.effect, Effect::Restart, "it is said again, because it is still so");
    }
    let cache = pool.redis().unwrap();
    assert_eq!(cache.settings().retry_attempts, 1);
    assert_eq!(cache.status()[0].generation, 1, "it stays where it is");
    assert!(pool.reload(&with(&url, "retry_attempts = 1\nrequired = false")).await.is_empty());
    assert!(pool.close(std::time::Duration::from_secs(10)).await.is_clean());
}

#[tokio::test]
async fn another_authority_in_the_file_is_taken_with_a_fresh_connection() {
    let server = Servers::shared().await.redis;
    let (old, new) = (Authority::new(), Authority::new());
    let proxy = old.proxy("localhost", server.port()).await;
    let next = new.proxy("localhost", server.port()).await;
    let (folder, read) = (tempfile::tempdir().unwrap(), |authority: &Authority| {
        std::fs::read_to_string(authority.path("ca.pem")).unwrap()
    });
    let trusted = folder.path().join("ca.pem");
    std::fs::write(&trusted, read(&old)).unwrap();
    let resource = |name: &str, port: u16| {
        let (user, password) = (server.user(), server.password());
        format!(
            "[[resource]]\nname = '{name}'\nurl = 'rediss://{user}:{password}@localhost:{port}'\n\
             required = false\nconnect_attempts = 1\n[resource.tls]\nca_file = '{}'\n",
            trusted.display()
        )
    };
    let both = resource("old", proxy.port()) + &resource("new", next.port());
    let pool = ResourcePool::from_config(&Config::from_toml(&both).unwrap()).unwrap();
    pool.connect().await.unwrap();
    let group = |name| pool.get::<<Redis as Subject>::Backend>(name).unwrap();
    assert_eq!((group("old").state(), group("new").state()), (State::Ready, State::Idle));
    assert!(pool.refresh().await.is_empty(), "they are what they were");

    std::fs::write(&trusted, read(&old) + &read(&new)).unwrap();
    let changes = pool.refresh().await;
    assert_eq!(
        changes.to_string(),
        "resource `new`: tls is in force with a fresh connection\n\
         resource `old`: tls is in force with a fresh connection"
    );
    let fresh =
        async || group("old").status()[0].generation == 2 && group("old").state() == State::Ready;
    eventually("the old one is connected anew", PATIENCE, fresh).await;
    group("new").connect().await.unwrap();
    assert!(pool.close(PATIENCE).await.is_clean());
}

#[tokio::test]
async fn members_come_and_go_with_the_file_and_a_lease_of_one_that_is_gone_is_waited_for() {
    let main = Server::start_owned(System::Redis).await.unwrap();
    let mut spare = Server::start_owned(System::Redis).await.unwrap();
    spare.change_password(main.password()).await.unwrap();
    let with = |members: &str| {
        let group = format!("[resource.group]\nmembers = [{members}]");
        let text = format!("[[resource]]\nname = 'quotes'\nurl = '{}'\n{group}", main.url());
        Config::from_toml(&text).unwrap()
    };
    let pool = ResourcePool::from_config(&with("")).unwrap();
    pool.connect().await.unwrap();
    let quotes = pool.redis().unwrap();
    let name = |server: &Server| format!("quotes@127.0.0.1:{}", server.port());
    let members = || -> Vec<_> {
        let standing = quotes.standing().into_iter();
        standing.map(|one| (one.name.to_string(), one.weight)).collect()
    };
    assert_eq!(members(), [(name(&main), 1)]);

    let both = with(&format!("{{ host = '127.0.0.1:{}', weight = 3 }}", spare.port()));
    let changes = pool.reload(&both).await;
    assert_eq!(changes.to_string(), "resource `quotes`: group.members is in force now");
    assert_eq!(members(), [(name(&main), 1), (name(&spare), 3)]);
    let ready = async || quotes.members().iter().all(|one| one.state() == State::Ready);
    eventually("the new one is connected by itself", PATIENCE, ready).await;
    assert!(pool.reload(&both).await.is_empty());

    let lease = quotes.acquire_elsewhere(&[name(&main).into()]).await.unwrap();
    pool.reload(&with("")).await;
    let gone = async || members() == [(name(&main), 1)];
    eventually("the one that is gone gives no lease", PATIENCE, gone).await;
    assert_eq!(pool.tasks().len(), 1, "its close waits for the lease");
    drop(lease);
    eventually("it is closed", PATIENCE, async || pool.tasks().is_empty()).await;
    assert!(pool.close(PATIENCE).await.is_clean());
    main.remove().await;
    spare.remove().await;
}
