//! The set of actions in a hello.

use minimodel_wire::Consent;

#[test]
fn consent_is_a_set_of_three_actions() {
    for (ours, theirs) in (0..8).flat_map(|a| (0..8).map(move |b| (a, b))) {
        let of = |bits| Consent::from_bits(bits).expect("three bits");
        assert_eq!(of(ours).contains(of(theirs)), (0..3).all(|bit| theirs >> bit & 1 <= ours >> bit & 1));
        assert_eq!((of(ours) | of(theirs)).bits(), ours | theirs);
    }
    assert_eq!(Consent::from_bits(8), None);
    assert_eq!(format!("{:?}", Consent::SERVE | Consent::PUBLISH), "{\"serve\", \"publish\"}");
}
