//! How two replicas greet each other: each shows a card, and proves that it knows the secret that all
//! replicas on one database share.
//!
//! The side that accepts sends its card. The side that has connected answers with its own and a proof, and
//! gets a proof in return. A proof covers both cards, so it is good for this greeting alone. What is sent
//! afterwards is neither encrypted nor signed, as little as the requests that a balancer sends to a replica.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

use super::Refusal;

/// Another one is refused: what it would send is not understood.
const VERSION: u16 = 1;

const MAGIC: &[u8; 8] = b"poucopsh";
const CHANNEL_BYTES: usize = 16;
/// `unix:` and the longest path of a socket fit.
pub(super) const ADDRESS_BYTES: usize = 128;
const NONCE_BYTES: usize = 32;

const INSTANCE_AT: usize = MAGIC.len() + size_of::<u16>() + CHANNEL_BYTES;
const NONCE_AT: usize = INSTANCE_AT + size_of::<Uuid>();
const ADDRESS_AT: usize = NONCE_AT + NONCE_BYTES;

pub(super) const CARD_BYTES: usize = ADDRESS_AT + ADDRESS_BYTES;
pub(super) const PROOF_BYTES: usize = 32;

/// What a replica says of itself.
#[derive(Clone, Copy)]
pub(super) struct Card([u8; CARD_BYTES]);

/// Who proves something: the two proofs of a greeting differ.
#[derive(Clone, Copy)]
pub(super) enum Side {
    Connecting,
    Accepting,
}

impl Card {
    /// A new one for each greeting. `channel` says what is sent, and in which version.
    ///
    /// # Errors
    /// The system has nothing that is random.
    pub(super) fn new(channel: &str, instance: Uuid, address: &str) -> Result<Self, getrandom::Error> {
        let mut card = [0; CARD_BYTES];
        card[..MAGIC.len()].copy_from_slice(MAGIC);
        card[MAGIC.len()..][..2].copy_from_slice(&VERSION.to_le_bytes());
        fill(&mut card[MAGIC.len() + 2..][..CHANNEL_BYTES], channel);
        card[INSTANCE_AT..][..16].copy_from_slice(instance.as_bytes());
        getrandom::fill(&mut card[NONCE_AT..][..NONCE_BYTES])?;
        fill(&mut card[ADDRESS_AT..], address);
        Ok(Self(card))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The other one's, which has to speak as `own` does.
    pub(super) fn read(bytes: &[u8], own: &Self) -> Result<Self, Refusal> {
        let card = Self(bytes.try_into().map_err(|_| Refusal::Rubbish)?);
        if card.0[..MAGIC.len()] != *MAGIC {
            return Err(Refusal::Rubbish);
        }
        match card.0[..INSTANCE_AT] == own.0[..INSTANCE_AT] {
            true => Ok(card),
            false => Err(Refusal::Version),
        }
    }

    pub(super) fn instance(&self) -> Uuid {
        Uuid::from_slice(&self.0[INSTANCE_AT..][..16]).unwrap_or_default()
    }

    /// Where it is reached; empty if nowhere.
    pub(super) fn address(&self) -> Option<&str> {
        let text = &self.0[ADDRESS_AT..];
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        std::str::from_utf8(&text[..end]).ok()
    }

    /// That the owner of this card knows the secret, as `side` of a greeting with `other`.
    pub(super) fn prove(&self, other: &Self, side: Side, secret: &[u8]) -> [u8; PROOF_BYTES] {
        self.mac(other, side, secret).finalize().into_bytes().into()
    }

    /// Whether this is the proof of the owner of this card.
    pub(super) fn is_proven(&self, other: &Self, side: Side, secret: &[u8], proof: &[u8]) -> bool {
        self.mac(other, side, secret).verify_slice(proof).is_ok()
    }

    fn mac(&self, other: &Self, side: Side, secret: &[u8]) -> Hmac<Sha256> {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
            unreachable!("a key of any length is taken")
        };
        mac.update(match side {
            Side::Connecting => b"connecting",
            Side::Accepting => b"accepting ",
        });
        mac.update(&self.0);
        mac.update(&other.0);
        mac
    }
}

/// As much as fits; the rest stays zero.
fn fill(place: &mut [u8], text: &str) {
    let bytes = text.as_bytes();
    let fitting = bytes.len().min(place.len());
    place[..fitting].copy_from_slice(&bytes[..fitting]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(channel: &str) -> Card {
        Card::new(channel, Uuid::from_u128(7), "unix:/run/a.sock").unwrap()
    }

    #[test]
    fn a_card_is_read_by_whoever_speaks_alike() {
        let (own, other) = (card("people 1"), card("people 1"));
        let read = Card::read(other.bytes(), &own).unwrap();
        assert_eq!((read.instance(), read.address()), (Uuid::from_u128(7), Some("unix:/run/a.sock")));
        assert_eq!(Card::read(card("people 2").bytes(), &own).err(), Some(Refusal::Version));
        let mut newer = other;
        newer.0[MAGIC.len()] += 1;
        assert_eq!(Card::read(newer.bytes(), &own).err(), Some(Refusal::Version));
        let mut rubbish = other;
        rubbish.0[0] = b'G';
        assert_eq!(Card::read(rubbish.bytes(), &own).err(), Some(Refusal::Rubbish));
        assert_eq!(Card::read(&other.bytes()[1..], &own).err(), Some(Refusal::Rubbish));
    }

    #[test]
    fn a_proof_is_good_for_one_greeting_one_side_and_one_secret() {
        let (own, other) = (card("people 1"), card("people 1"));
        let proof = own.prove(&other, Side::Connecting, b"secret");
        assert!(own.is_proven(&other, Side::Connecting, b"secret", &proof));
        assert!(!own.is_proven(&other, Side::Connecting, b"another", &proof));
        assert!(!own.is_proven(&other, Side::Accepting, b"secret", &proof));
        assert!(!own.is_proven(&card("people 1"), Side::Connecting, b"secret", &proof), "another greeting");
        assert!(!other.is_proven(&own, Side::Connecting, b"secret", &proof), "the other one's");
        assert!(!own.is_proven(&other, Side::Connecting, b"secret", &proof[1..]));
    }
}
