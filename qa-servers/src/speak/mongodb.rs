//! MongoDB: commands as `OP_MSG`, login by SCRAM, and the set-up of a replica set.

use bson::oid::ObjectId;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, Document, doc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::scram::Scram;
use super::{Answer, Wire, broken, connect};
use crate::address::Address;
use crate::process::mongod::SET;
use crate::secret::random_hex;

/// The code of `OP_MSG`.
const OP_MSG: i32 = 2013;
/// Bytes before the document: the header, the flags and the section's kind.
const BEFORE: usize = 21;
/// The largest message of the protocol.
const LONGEST: usize = 48_000_000;
/// The error code of a replica set that exists already.
const ALREADY_INITIALIZED: i32 = 23;
/// The error code of a user that exists already.
const USER_EXISTS: i32 = 51003;

/// Logs in as the application's user and requires a primary, or of one of a set that it is in its
/// place.
pub(crate) async fn login(address: &Address) -> Answer<()> {
    let mut connection = Connection::open(address).await?;
    if !address.user.is_empty() {
        connection.authenticate("admin", &address.user, &address.password).await?;
    }
    let hello = connection.hello().await?;
    require(hello.primary || address.member && hello.secondary)
}

/// Logs in as the nodes do among themselves, which works before there is any user.
pub(crate) async fn node_login(address: &Address) -> Answer<()> {
    Connection::open_as_node(address).await.map(drop)
}

/// Makes a new server a replica set of one with the application's user. Does nothing twice.
///
pub(crate) async fn set_up(address: &Address) -> Answer<()> {
    initiate(address, &[address], Document::new()).await?;
    create_user(address).await
}

/// Makes new servers one replica set, through the one at `address`. Does nothing twice.
pub(crate) async fn initiate(
    address: &Address,
    members: &[&Address],
    settings: Document,
) -> Answer<()> {
    let mut connection = Connection::open_as_node(address).await?;
    let members: Vec<Document> =
        (0..).zip(members).map(|(id, member)| doc! { "_id": id, "host": member.place() }).collect();
    let set = doc! { "_id": SET, "members": members, "settings": settings };
    connection.run_once("admin", doc! { "replSetInitiate": set }, ALREADY_INITIALIZED).await
}

/// Has a set of one tell clients that its member is at this port.
pub(crate) async fn announce(address: &Address, port: u16) -> Answer<()> {
    let mut connection = Connection::open_as_node(address).await?;
    let answer = connection.command("admin", doc! { "replSetGetConfig": 1 }).await?;
    let mut set = answer.get_document("config").cloned().map_err(|error| error.to_string())?;
    let version = set.get_i32("version").map_err(|error| error.to_string())?;
    set.insert("version", version + 1);
    let host = format!("{}:{port}", address.host);
    let members = set.get_array_mut("members").map_err(|error| error.to_string())?;
    let [Bson::Document(member)] = &mut members[..] else {
        return Err("it is not alone in its set".to_owned());
    };
    if member.get_str("host").is_ok_and(|known| known == host) {
        return Ok(());
    }
    member.insert("host", host);
    connection.command("admin", doc! { "replSetReconfig": set }).await.map(drop)
}

/// Makes the application's user on a primary. Does nothing twice.
pub(crate) async fn create_user(address: &Address) -> Answer<()> {
    let mut connection = Connection::open_as_node(address).await?;
    let hello = connection.hello().await?;
    require(hello.primary)?;
    let create = doc! {
        "createUser": &address.user,
        "pwd": &address.password,
        "roles": [{ "role": "root", "db": "admin" }],
        "writeConcern": { "w": "majority", "j": true, "wtimeout": 10_000 },
    };
    connection.run_once("admin", create, USER_EXISTS).await
}

/// Asks a server what it is. It says so without a login.
pub(crate) async fn hello(address: &Address) -> Answer<Hello> {
    Connection::open(address).await?.hello().await
}

/// What a server says of itself.
#[derive(Debug)]
pub(crate) struct Hello {
    pub(crate) primary: bool,
    pub(crate) secondary: bool,
    /// Host and port of the one that it takes for the primary.
    pub(crate) follows: Option<String>,
    /// Grows with every election; only a primary gives it.
    pub(crate) election: Option<ObjectId>,
}

fn require(in_place: bool) -> Answer<()> {
    if in_place { Ok(()) } else { Err("it is not in its place yet".to_owned()) }
}

/// Has a primary give up its place for three seconds, for which another one must be up to date.
pub(crate) async fn step_down(address: &Address) -> Answer<()> {
    let mut connection = Connection::open_as_node(address).await?;
    let step_down = doc! { "replSetStepDown": 3, "secondaryCatchUpPeriodSecs": 2 };
    connection.command("admin", step_down).await.map(drop)
}

/// Gives the application's user another password.
pub(crate) async fn change_password(address: &Address, new: &str) -> Answer<()> {
    let mut connection = Connection::open(address).await?;
    connection.authenticate("admin", &address.user, &address.password).await?;
    let update = doc! {
        "updateUser": &address.user,
        "pwd": new,
        "writeConcern": { "w": "majority", "j": true, "wtimeout": 10_000 },
    };
    connection.command("admin", update).await.map(drop)
}

/// Has a server read its TLS files again.
#[allow(dead_code, reason = "a build without TLS has no use for it")]
pub(crate) async fn rotate_certificates(address: &Address) -> Answer<()> {
    let mut connection = Connection::open_as_node(address).await?;
    connection.command("admin", doc! { "rotateCertificates": 1 }).await.map(drop)
}

struct Connection {
    stream: Wire,
}

impl Connection {
    async fn open(address: &Address) -> Answer<Self> {
        Ok(Self { stream: connect(address).await? })
    }

    /// Logs in as `__system`, the user as which nodes with the same key file know each other: that
    /// works from any host, unlike the localhost exception, which ends at a container's wall.
    async fn open_as_node(address: &Address) -> Answer<Self> {
        let mut connection = Self::open(address).await?;
        connection.authenticate("local", "__system", &address.key).await?;
        Ok(connection)
    }

    async fn authenticate(&mut self, database: &str, user: &str, password: &str) -> Answer<()> {
        let nonce = random_hex(12).map_err(|error| error.chain())?;
        let scram = Scram::new(user, &nonce);
        let start = doc! {
            "saslStart": 1,
            "mechanism": "SCRAM-SHA-256",
            "payload": payload(scram.first_message()),
            "options": { "skipEmptyExchange": true },
        };
        let challenge = self.command(database, start).await?;
        let text = match challenge.get("payload") {
            Some(Bson::Binary(binary)) => String::from_utf8_lossy(&binary.bytes).into_owned(),
            _ => return Err("the server gave no challenge".to_owned()),
        };
        let conversation = challenge.get("conversationId").cloned().unwrap_or(Bson::Int32(1));
        let proof = doc! {
            "saslContinue": 1,
            "conversationId": conversation,
            "payload": payload(scram.final_message(&text, password)?),
        };
        self.command(database, proof).await.map(drop)
    }

    async fn hello(&mut self) -> Answer<Hello> {
        let hello = self.command("admin", doc! { "hello": 1 }).await?;
        let says = |field| hello.get_bool(field).unwrap_or_default();
        Ok(Hello {
            primary: says("isWritablePrimary"),
            secondary: says("secondary"),
            follows: hello.get_str("primary").ok().map(str::to_owned),
            election: hello.get_object_id("electionId").ok(),
        })
    }

    /// Runs a command whose effect may be there already, which the server says with `done`.
    async fn run_once(&mut self, database: &str, command: Document, done: i32) -> Answer<()> {
        let answer = self.exchange(database, command).await?;
        if answer.get_i32("code").is_ok_and(|code| code == done) {
            return Ok(());
        }
        checked(answer).map(drop)
    }

    async fn command(&mut self, database: &str, command: Document) -> Answer<Document> {
        checked(self.exchange(database, command).await?)
    }

    async fn exchange(&mut self, database: &str, mut command: Document) -> Answer<Document> {
        command.insert("$db", database);
        let body = command.to_vec().map_err(|error| error.to_string())?;
        let length = i32::try_from(BEFORE + body.len()).map_err(|_| "the command is too long")?;
        let mut message = Vec::with_capacity(BEFORE + body.len());
        for number in [length, 1, 0, OP_MSG, 0] {
            message.extend(number.to_le_bytes());
        }
        message.push(0); // the kind of a section that is one document
        message.extend(body);
        self.stream.write_all(&message).await.map_err(broken)?;
        self.read().await
    }

    async fn read(&mut self) -> Answer<Document> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).await.map_err(broken)?;
        let length = usize::try_from(i32::from_le_bytes(length)).unwrap_or(0);
        if !(BEFORE..LONGEST).contains(&length) {
            return Err("the server does not speak mongodb".to_owned());
        }
        let mut rest = vec![0; length - 4];
        self.stream.read_exact(&mut rest).await.map_err(broken)?;
        Document::from_reader(&rest[BEFORE - 4..]).map_err(|error| error.to_string())
    }
}

fn payload(text: String) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: text.into_bytes() }
}

fn checked(answer: Document) -> Answer<Document> {
    if answer.get_f64("ok").is_ok_and(|ok| ok > 0.0) {
        return Ok(answer);
    }
    let code = answer.get_i32("code").unwrap_or_default();
    let text = answer.get_str("errmsg").unwrap_or("no message");
    Err(format!("code {code}: {text}"))
}
