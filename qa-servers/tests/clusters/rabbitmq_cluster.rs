//! A quorum queue over the management plugin.

use std::time::Duration;

use qa_servers::Server;
use qa_servers::cluster::RabbitMqCluster;
use qa_servers::testing::within;

use crate::clients::management;
use crate::leftovers::Traces;

const LIMIT: Duration = Duration::from_secs(60);
/// An election takes a second or two, and so does the figure that tells of it.
const ELECTED: Duration = Duration::from_secs(20);
const FLOWERS: [&str; 3] = ["tulip", "rose", "iris"];

async fn publish(node: &Server, flower: &str) {
    let message = format!(
        r#"{{"properties":{{"delivery_mode":2}},"routing_key":"flowers","payload":"{flower}","payload_encoding":"string"}}"#
    );
    let answer = management(node, "POST", "exchanges/%2F/amq.default/publish", &message).await;
    assert!(answer.contains(r#""routed":true"#), "{answer}");
}

async fn assert_all_there(node: &Server) {
    let get = r#"{"count":9,"ackmode":"ack_requeue_true","encoding":"auto"}"#;
    let answer = management(node, "POST", "queues/%2F/flowers/get", get).await;
    for flower in FLOWERS {
        let payload = format!(r#""payload":"{flower}""#);
        assert!(answer.contains(&payload), "{flower}: {answer}");
    }
}

#[tokio::test]
async fn a_quorum_queue_loses_its_leader_and_no_message() {
    let cluster = RabbitMqCluster::start().await.unwrap();
    let quorum = r#"{"durable":true,"arguments":{"x-queue-type":"quorum"}}"#;
    management(&cluster.nodes()[0], "PUT", "queues/%2F/flowers", quorum).await;
    for flower in FLOWERS {
        publish(&cluster.nodes()[1], flower).await;
    }
    cluster.wait_replicated("/", "flowers", LIMIT).await.unwrap();

    let old = cluster.leader_of("/", "flowers").await.unwrap();
    old.kill().await.unwrap();
    let new = within("another leader", ELECTED, cluster.leader_of("/", "flowers")).await.unwrap();
    assert_ne!(old.port(), new.port());
    assert_all_there(new).await;

    old.start_again().await.unwrap();
    cluster.wait_ready(LIMIT).await.unwrap();
    cluster.wait_replicated("/", "flowers", LIMIT).await.unwrap();
    assert_all_there(old).await;
    let traces = Traces::of(cluster.nodes()).await;
    cluster.remove().await;
    traces.are_gone().await;
}
