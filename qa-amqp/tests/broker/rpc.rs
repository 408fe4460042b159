//! Requests and their answers.

use crate::support::{PATIENCE, close, vhost, with_bars};
use futures_util::future::join_all;
use qa_amqp::{ConsumerSettings, Delivery, PublishError, RpcClient, RpcError, serve};
use qa_resource_core::Outcome;
use qa_servers::testing::eventually;
use std::time::Duration;
use tokio::time::{Instant, timeout};

const LIMIT: Duration = Duration::from_secs(10);

async fn double(request: Delivery) -> Result<Vec<u8>, String> {
    let text = String::from_utf8(request.payload).map_err(|error| error.to_string())?;
    let number: u64 = text.parse().map_err(|_| "that is no number".to_owned())?;
    Ok((number * 2).to_string().into_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_has_its_own_answer_also_after_a_reconnect() {
    let url = vhost("rpc").await;
    let resource = with_bars(&url).await;
    let server = serve(&resource, ConsumerSettings::new("bars"), double);
    let rpc = RpcClient::new(&resource).await.unwrap();
    for _ in 0..2 {
        let call = |number: u64| {
            let rpc = rpc.clone();
            async move {
                let answer = rpc.call("", "bars", number.to_string().as_bytes(), LIMIT).await;
                String::from_utf8(answer.unwrap().payload).unwrap()
            }
        };
        let answers = join_all((0..100).map(call)).await;
        let expected: Vec<_> = (0..100_u64).map(|number| (number * 2).to_string()).collect();
        assert_eq!(answers, expected);
        let error = rpc.call("", "bars", b"x", LIMIT).await.unwrap_err();
        assert!(matches!(&error, RpcError::Refused(why) if why == "that is no number"), "{error}");

        let mut watch = resource.watch();
        resource.reconnect();
        assert!(timeout(PATIENCE, watch.next()).await.unwrap().is_some(), "another connection");
        eventually("it answers again", PATIENCE, async || {
            rpc.call("", "bars", b"1", LIMIT).await.is_ok()
        })
        .await;
    }
    rpc.close().await.unwrap();
    server.stop().await.unwrap();
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_nobody_serves_ends_by_its_limit_or_at_once() {
    let url = vhost("rpc-nobody").await;
    let resource = with_bars(&url).await;
    let rpc = RpcClient::new(&resource).await.unwrap();
    let error = rpc.call("", "nowhere", b"1", LIMIT).await.unwrap_err();
    assert!(matches!(error, RpcError::Publish(PublishError::Returned { .. })), "{error}");
    assert_eq!(error.outcome(), Outcome::NotApplied);

    let (limit, began) = (Duration::from_millis(500), Instant::now());
    let error = rpc.call("", "bars", b"1", limit).await.unwrap_err();
    assert!(matches!(error, RpcError::TimedOut(_)), "{error}");
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert!(began.elapsed() >= limit && began.elapsed() < LIMIT);
    // And the request itself has expired.
    eventually("it is gone", PATIENCE, async || {
        resource.acquire().await.unwrap().messages("bars").await.unwrap() == 0
    })
    .await;
    rpc.close().await.unwrap();
    close(resource).await;
}
