//! SCRAM-SHA-256 (RFC 5802, RFC 7677), the client's side.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::Answer;

/// One exchange in progress.
pub(super) struct Scram {
    first: String,
}

impl Scram {
    /// Begins an exchange; `nonce` must be new each time.
    pub(super) fn new(user: &str, nonce: &str) -> Self {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        Self { first: format!("n={user},r={nonce}") }
    }

    /// The client's first message.
    pub(super) fn first_message(&self) -> String {
        format!("n,,{}", self.first)
    }

    /// The client's final message, for the server's first one.
    pub(super) fn final_message(&self, server_first: &str, password: &str) -> Answer<String> {
        let field = |name: &str| {
            let mut fields = server_first.split(',');
            fields
                .find_map(|field| field.strip_prefix(name))
                .ok_or_else(|| format!("the server's challenge lacks {name}"))
        };
        let salt = BASE64_STANDARD.decode(field("s=")?).map_err(|error| error.to_string())?;
        let rounds: u32 = field("i=")?.parse().map_err(|_| "the round count is no number")?;
        let salted = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), &salt, rounds);

        let without_proof = format!("c=biws,r={}", field("r=")?);
        let signed = format!("{},{server_first},{without_proof}", self.first);
        let client_key = sign(&salted, b"Client Key")?;
        let signature = sign(&Sha256::digest(&client_key), signed.as_bytes())?;
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        Ok(format!("{without_proof},p={}", BASE64_STANDARD.encode(proof)))
    }
}

fn sign(key: &[u8], text: &[u8]) -> Answer<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|error| error.to_string())?;
    mac.update(text);
    Ok(mac.finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::Scram;

    /// The example of RFC 7677, section 3.
    #[test]
    fn the_example_of_the_rfc_comes_out() {
        let scram = Scram::new("user", "rOprNGfwEbeRWgbNEkqO");
        assert_eq!(scram.first_message(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let challenge = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                         s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        assert_eq!(
            scram.final_message(challenge, "pencil").unwrap(),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
    }
}
