//! What is declared: there with every connection, as it was asked for, until it is deleted.

use crate::support::{
    PATIENCE, backend, close, depth, no_properties, patient, publisher, shared, vhost, with_bars,
};
use qa_amqp::{
    Binding, Consumer, ConsumerSettings, Delivery, Error, Exchange, Overflow, PublishError, Queue,
    RabbitMq, Topology,
};
use qa_resource_core::{Backend, ErrorKind, Lease, Resource, Settings};
use qa_servers::proxy::{FaultProxy, Faults, Way};
use qa_servers::testing::eventually;
use serde_json::Value;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Has the resource leave its connection; gives a lease of the next one.
async fn on_the_next_connection(resource: &Resource<RabbitMq>) -> Lease<RabbitMq> {
    let before = resource.status().generation;
    let mut watch = resource.watch();
    resource.reconnect();
    assert!(timeout(PATIENCE, watch.next()).await.unwrap().is_some(), "another connection");
    let lease = resource.acquire().await.unwrap();
    assert_eq!(lease.generation(), before + 1);
    lease
}

/// A connected resource that declares `topology` with every connect.
async fn declaring(url: &str, topology: Topology) -> Resource<RabbitMq> {
    let backend = backend("t", url).with_topology(topology);
    let resource = Resource::new("t", backend, patient());
    resource.connect().await.unwrap();
    resource
}

#[tokio::test(flavor = "multi_thread")]
async fn the_topology_is_there_before_the_resource_is_ready_and_after_a_reconnect() {
    let url = vhost("topology").await;
    let topology = Topology::new()
        .exchange(Exchange::topic("market"))
        .exchange(Exchange::fanout("all"))
        .queue(Queue::new("mine").exclusive())
        .bind(Binding::exchange("all", "market", "bar.#"))
        .bind(Binding::queue("mine", "all", ""));
    let backend = backend("t", &url).with_topology(topology);
    let resource = Resource::new("t", backend, patient());
    resource.connect().await.unwrap();
    let lease = resource.acquire().await.unwrap();
    assert_eq!(depth(&lease, "mine").await, (0, 0));
    lease.declare(Topology::new().queue(Queue::new("later").exclusive())).await.unwrap();
    drop(lease);

    // Exclusive queues end with their connection: what is there afterwards was declared anew.
    let lease = on_the_next_connection(&resource).await;
    assert_eq!(depth(&lease, "mine").await, (0, 0));
    assert_eq!(depth(&lease, "later").await, (0, 0));
    drop(lease);
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_another_connection_holds_is_waited_for() {
    let url = vhost("held").await;
    let mine = || Topology::new().queue(Queue::new("mine").exclusive());
    let holder = declaring(&url, mine()).await;
    let backend = backend("late", &url).with_topology(mine());
    let settings = Settings { connect_attempts: 1_000, connect_deadline: PATIENCE, ..patient() };
    let late = Resource::new("late", backend, settings);
    let connecting = tokio::spawn({
        let late = late.clone();
        async move { late.connect().await }
    });
    eventually("it is refused", PATIENCE, async || {
        late.status().last_error.is_some_and(|error| error.to_string().contains("RESOURCE_LOCKED"))
    })
    .await;
    close(holder).await;
    connecting.await.unwrap().unwrap();
    close(late).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clash_names_the_entity_and_nothing_is_remembered_of_it() {
    let url = vhost("clash").await;
    let resource = with_bars(&url).await;
    let lease = resource.acquire().await.unwrap();
    let other = Queue::new("bars").max_length(1, Overflow::DropHead);
    let other = Topology::new().queue(other);
    let error = lease.declare(other).await.unwrap_err();
    assert_eq!(error.reply_code(), Some(406));
    assert!(matches!(&error, Error::Declare { entity, .. } if entity == "queue `bars`"), "{error}");
    // And what is different.
    assert!(error.to_string().contains("x-max-length"), "{error}");
    assert_eq!(RabbitMq::classify(&error).kind, ErrorKind::Operation);
    drop(lease);

    drop(on_the_next_connection(&resource).await);
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_the_first_that_is_refused_is_named() {
    let url = vhost("refused").await;
    let resource = with_bars(&url).await;
    let lease = resource.acquire().await.unwrap();
    let bind = |topology: Topology, number| {
        let exchange = if number == 400 { "nowhere" } else { "amq.direct" };
        topology.bind(Binding::queue("bars", exchange, format!("key-{number}")))
    };
    let error = lease.declare((0..1_000).fold(Topology::new(), bind)).await.unwrap_err();
    assert_eq!(error.reply_code(), Some(404));
    let named = "binding of `bars` to `nowhere`";
    assert!(matches!(&error, Error::Declare { entity, .. } if entity == named), "{error}");
    drop(lease);

    // None of them is remembered: the next connection would be refused, too.
    drop(on_the_next_connection(&resource).await);
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_bindings_are_there_again_over_a_long_line() {
    let proxy = FaultProxy::open(shared().await.port()).await;
    // Forty seconds, were each of them a round trip of its own: an attempt has five.
    let late = Way { latency: Duration::from_millis(20), ..Way::default() };
    proxy.set(Faults::both(late));
    let url = proxy.url(&vhost("far").await);
    let topology = Topology::new().queue(Queue::new("mine").exclusive());
    let topology = (0..1_000).fold(topology, |topology, number| {
        topology.bind(Binding::queue("mine", "amq.direct", format!("key-{number}")))
    });
    let resource = declaring(&url, topology).await;

    let lease = on_the_next_connection(&resource).await;
    let publisher = publisher(&resource);
    let last = publisher.publish("amq.direct", "key-999", b"tick", no_properties());
    let _ = timeout(PATIENCE, last).await.unwrap().unwrap();
    assert_eq!(depth(&lease, "mine").await, (1, 0));
    drop((publisher, lease));
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_is_what_was_asked_for() {
    let url = vhost("kinds").await;
    let topology = Topology::new()
        .queue(Queue::classic("classic").message_ttl(Duration::from_secs(2)))
        .queue(Queue::quorum("quorum").dead_letter("", Some("classic")).delivery_limit(3))
        .queue(Queue::stream("stream"))
        .queue(Queue::new("one").max_length(5, Overflow::RejectPublish).single_active_consumer());
    let resource = declaring(&url, topology).await;
    let listed = shared().await.manage("GET", "/api/queues/kinds", "").await.unwrap();
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    let arguments = |name: &str| {
        listed.iter().find(|queue| queue["name"] == name).unwrap()["arguments"].clone()
    };
    assert_eq!(arguments("classic")["x-message-ttl"], 2_000);
    assert_eq!(arguments("quorum")["x-queue-type"], "quorum");
    assert_eq!(arguments("quorum")["x-dead-letter-routing-key"], "classic");
    assert_eq!(arguments("quorum")["x-delivery-limit"], 3);
    assert_eq!(arguments("stream")["x-queue-type"], "stream");
    assert_eq!(arguments("one")["x-overflow"], "reject-publish");
    assert_eq!(arguments("one")["x-single-active-consumer"], true);
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_named_queue_keeps_its_bindings_and_its_consumer_under_every_name() {
    let url = vhost("server-named").await;
    let topology = Topology::new()
        .exchange(Exchange::direct("ticks"))
        .queue(Queue::server_named("mine"))
        .bind(Binding::queue("mine", "ticks", "cu2512"));
    let resource = declaring(&url, topology).await;
    let (sender, mut seen) = mpsc::unbounded_channel();
    let settings = ConsumerSettings::new("mine");
    let consumer = Consumer::start(&resource, settings, move |delivery: Delivery| {
        sender.send(delivery.payload.clone()).unwrap();
        async { Ok::<_, Infallible>(()) }
    });
    let publisher = publisher(&resource);
    let mut names = Vec::new();
    for round in 0..3_u8 {
        let name = resource.acquire().await.unwrap().queue_name("mine");
        assert!(name.starts_with("amq.gen-") && !names.contains(&name), "{name}");
        names.push(name);
        timeout(PATIENCE, consumer.consuming()).await.unwrap();
        let _ = publisher.publish("ticks", "cu2512", &[round], no_properties()).await.unwrap();
        assert_eq!(timeout(PATIENCE, seen.recv()).await.unwrap(), Some(vec![round]));
        // What is bound later is bound on every later connection, too.
        let key = format!("key-{round}");
        let later = Topology::new().bind(Binding::queue("mine", "ticks", &*key));
        resource.acquire().await.unwrap().declare(later).await.unwrap();
        drop(on_the_next_connection(&resource).await);
        eventually("it consumes anew", PATIENCE, async || {
            consumer.stats().restarts > u64::from(round) && consumer.is_consuming()
        })
        .await;
        let _ = publisher.publish("ticks", &key, &[100 + round], no_properties()).await.unwrap();
        assert_eq!(timeout(PATIENCE, seen.recv()).await.unwrap(), Some(vec![100 + round]));
    }
    consumer.stop().await.unwrap();
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_or_unbound_stays_so() {
    let url = vhost("deleted").await;
    let (kept, gone) = (Binding::queue("kept", "x", "a"), Binding::queue("kept", "x", "b"));
    let topology = Topology::new()
        .exchange(Exchange::direct("x"))
        .exchange(Exchange::fanout("y"))
        .queue(Queue::new("kept"))
        .queue(Queue::new("doomed"))
        .bind(kept)
        .bind(gone.clone())
        .bind(Binding::queue("doomed", "x", "a"))
        .bind(Binding::queue("kept", "y", ""))
        .bind(Binding::exchange("y", "x", "c"));
    let resource = declaring(&url, topology).await;
    let publisher = publisher(&resource);
    let _ = publisher.publish("", "doomed", b"1", no_properties()).await.unwrap();
    let lease = resource.acquire().await.unwrap();
    assert_eq!(lease.delete_queue("doomed").await.unwrap(), 1);
    lease.unbind(&gone).await.unwrap();
    lease.delete_exchange("y").await.unwrap();
    // Twice is no error.
    assert_eq!(lease.delete_queue("doomed").await.unwrap(), 0);
    lease.unbind(&gone).await.unwrap();
    lease.delete_exchange("y").await.unwrap();
    drop(lease);

    drop(on_the_next_connection(&resource).await);
    let _ = publisher.publish("x", "a", b"2", no_properties()).await.unwrap();
    for key in ["b", "c"] {
        let returned = publisher.publish("x", key, b"3", no_properties()).await.unwrap_err();
        assert!(matches!(returned, PublishError::Returned { .. }), "{key}: {returned}");
    }
    let listed = shared().await.manage("GET", "/api/queues/deleted", "").await.unwrap();
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    let names: Vec<_> = listed.iter().filter_map(|queue| queue["name"].as_str()).collect();
    assert_eq!(names, ["kept"]);
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_right_names_the_entity() {
    let url = vhost("rights").await;
    let server = shared().await;
    let user = r#"{"password": "reader", "tags": ""}"#;
    server.manage("PUT", "/api/users/reader", user).await.unwrap();
    let rights = r#"{"configure": "^mine$", "write": ".*", "read": ".*"}"#;
    server.manage("PUT", "/api/permissions/rights/reader", rights).await.unwrap();
    let login = format!("{}:{}@", server.user(), server.password());
    let url = url.replace(&login, "reader:reader@");
    let resource = declaring(&url, Topology::new().queue(Queue::new("mine"))).await;
    let lease = resource.acquire().await.unwrap();
    let error = lease.declare(Topology::new().queue(Queue::new("theirs"))).await.unwrap_err();
    assert_eq!(error.reply_code(), Some(403), "{error}");
    assert!(error.to_string().starts_with("declaring queue `theirs`: "), "{error}");
    drop(lease);
    close(resource).await;
}
