//! Each rule of the signature has a bad input that breaks only that rule, and no byte can be changed under one.

use ed25519_dalek::{Signer as _, SigningKey};
use minimodel_verifier::{Manifest, ManifestError as E, digest};

use crate::manifest_inputs::{field_at, key, line_of, signed, unsigned, with, without};
use crate::manifest_rules::refused;

const SIGNATURE: &str = "manifest.signature";

/// The signed example under another key id, with a well-spelled signature.
fn under_key(bytes: &[u8; 32]) -> String {
    with(&signed().text(), "publisher.key_id", &format!("ed25519:{}", digest::hex(bytes)))
}

fn signature_bytes() -> Vec<u8> {
    let text = signed().text();
    let value = field_at(&text, "signature.value").value;
    (0..value.len()).step_by(2).map(|at| u8::from_str_radix(&value[at..at + 2], 16).expect("hex")).collect()
}

fn with_signature(bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    with(&signed().text(), "signature.value", &hex)
}

#[track_caller]
fn does_not_verify(text: &str) {
    let key_id = field_at(text, "publisher.key_id").value;
    let error = E::SignatureMismatch { at: field_at(text, "signature.value"), key_id };
    refused(text.as_bytes(), &error, SIGNATURE);
}

// Rows: D9
#[test]
fn half_a_signature() {
    for (key, missing) in
        [("signature.algorithm", "signature.value"), ("signature.value", "signature.algorithm")]
    {
        let text = without(&signed().text(), missing);
        let error = E::SignatureHalf { line: line_of(&text, key), key, missing };
        refused(text.as_bytes(), &error, SIGNATURE);
    }
}

// Rows: D9
#[test]
fn a_key_without_a_signature() {
    let signed = signed();
    let text = signed.canonical();
    refused(text.as_bytes(), &E::KeyWithoutSignature(field_at(text, "publisher.key_id")), SIGNATURE);
}

// Rows: D9
#[test]
fn a_signature_without_a_key() {
    let text = with(&signed().text(), "publisher.key_id", "none");
    refused(text.as_bytes(), &E::SignatureWithoutKey(field_at(&text, "publisher.key_id")), SIGNATURE);
}

#[test]
fn another_signature_algorithm() {
    for name in ["", "Ed25519", "ed25519ph", "rsa"] {
        let text = with(&signed().text(), "signature.algorithm", name);
        refused(text.as_bytes(), &E::SignatureAlgorithm(field_at(&text, "signature.algorithm")), SIGNATURE);
    }
}

// Rows: D5
#[test]
fn a_signature_in_another_spelling() {
    let good = field_at(&signed().text(), "signature.value").value;
    for value in
        ["", &good.to_uppercase(), &good[1..], &good[2..], &format!("{good}00"), &format!("0x{good}")]
    {
        let text = with(&signed().text(), "signature.value", value);
        refused(text.as_bytes(), &E::SignatureSpelling(field_at(&text, "signature.value")), SIGNATURE);
    }
}

// Rows: D9
#[test]
fn a_key_that_is_no_point_of_the_curve() {
    let mut not_on_the_curve = [0; 32];
    not_on_the_curve[0] = 2;
    let text = under_key(&not_on_the_curve);
    refused(text.as_bytes(), &E::InvalidKey(field_at(&text, "publisher.key_id")), SIGNATURE);
}

// Rows: D9
#[test]
fn a_key_in_its_second_encoding() {
    // y = p + 3, which a lenient decoder takes for y = 3.
    let mut second_encoding = [0xFF; 32];
    (second_encoding[0], second_encoding[31]) = (0xF0, 0x7F);
    let text = under_key(&second_encoding);
    refused(text.as_bytes(), &E::InvalidKey(field_at(&text, "publisher.key_id")), SIGNATURE);
}

// Rows: D9
#[test]
fn a_weak_key() {
    let (mut identity, mut order_two, mut order_four) = ([0; 32], [0xFF; 32], [0; 32]);
    identity[0] = 1;
    (order_two[0], order_two[31]) = (0xEC, 0x7F);
    order_four[31] = 0x80;
    for weak in [identity, order_two, order_four, [0; 32]] {
        let text = under_key(&weak);
        refused(text.as_bytes(), &E::WeakKey(field_at(&text, "publisher.key_id")), SIGNATURE);
    }
}

// Rows: D9
#[test]
fn a_signature_under_a_substituted_key() {
    let other = SigningKey::from_bytes(&[8; 32]);
    does_not_verify(&under_key(other.verifying_key().as_bytes()));
}

// Rows: D9
#[test]
fn a_signature_over_other_bytes() {
    let other = with(&signed().text(), "license.spdx", "MIT");
    does_not_verify(&other);
    let over_unsigned =
        key().sign(Manifest::parse(unsigned().as_bytes()).expect("valid").canonical().as_bytes());
    does_not_verify(&with_signature(&over_unsigned.to_bytes()));
    let over_nothing = key().sign(b"");
    does_not_verify(&with_signature(&over_nothing.to_bytes()));
}

// Rows: D9
#[test]
fn a_second_signature_made_from_the_first() {
    // s + L verifies under a lenient verifier; L is the order of the base point, little-endian.
    let order: [u8; 32] = [
        0xED, 0xD3, 0xF5, 0x5C, 0x1A, 0x63, 0x12, 0x58, 0xD6, 0x9C, 0xF7, 0xA2, 0xDE, 0xF9, 0xDE, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut bytes = signature_bytes();
    let mut carry = 0;
    for (byte, add) in bytes[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
    }
    assert_eq!(carry, 0);
    does_not_verify(&with_signature(&bytes));
}

// Rows: D9
#[test]
fn no_flipped_bit_passes_for_the_signed_manifest() {
    let manifest = signed();
    let text = manifest.text().into_bytes();
    for index in 0..text.len() {
        for bit in 0..8 {
            let mut flipped = text.clone();
            flipped[index] ^= 1 << bit;
            if let Ok(other) = Manifest::parse(&flipped) {
                assert_ne!(other.swarm_id(), manifest.swarm_id(), "byte {index} bit {bit}");
            }
        }
    }
}
