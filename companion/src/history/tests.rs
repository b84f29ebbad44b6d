//! Histories over time, restarts and forgotten transfers.

use super::*;

/// 2026-06-01T12:00:00Z.
const NOON: u64 = 1_780_315_200;

fn rate(down: u64) -> Point {
    Point { down, up: down / 10 }
}

fn told(history: &RateHistory) -> Vec<u64> {
    history.down.iter().copied().flatten().collect()
}

fn open() -> (tempfile::TempDir, Db) {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(&folder.path().join("db")).unwrap();
    db.change::<_, DbError>(|change| {
        (1..=3).try_for_each(|id| change.put(Table::Transfers, &number_key(id), &"a row"))
    })
    .unwrap();
    (folder, db)
}

#[test]
fn rates_of_transfers_and_their_sum_are_kept_second_by_second() {
    let mut all = Histories::default();
    for second in 0..10 {
        let one = Some((1, rate(100 + second))).filter(|_| second != 5);
        all.sample(NOON + second, one.into_iter().chain(Some((2, rate(1_000))).filter(|_| second < 3)));
        // Only the first look at each second counts.
        all.sample(NOON + second, std::iter::once((1, rate(9_999))));
    }
    let history = all.of(Some(1), Span::Minutes, NOON + 9);
    assert_eq!((history.span, history.step_seconds, history.from_unix), (600, 1, NOON + 10 - 600));
    assert_eq!((history.down.len(), history.up.len()), (600, 600));
    assert_eq!(
        history.down[590..],
        [100, 101, 102, 103, 104, 0, 106, 107, 108, 109].map(|rate| Some(rate).filter(|&rate| rate > 0))
    );
    assert_eq!(history.up[590], Some(10));
    let sum = all.of(None, Span::Minutes, NOON + 9);
    assert_eq!(sum.down[590..594], [Some(1_100), Some(1_101), Some(1_102), Some(103)]);
    assert_eq!(told(&all.of(Some(7), Span::Minutes, NOON + 9)), [0_u64; 0]);
}

#[test]
fn day_has_the_mean_of_what_ran_in_each_step() {
    let mut all = Histories::default();
    let begin = NOON / 144 * 144;
    for second in 0..288 {
        all.sample(begin + second, std::iter::once((1, rate(second / 144 * 300 + 100))));
    }
    let day = all.of(Some(1), Span::Day, begin + 287);
    assert_eq!((day.span, day.step_seconds, day.from_unix), (86_400, 144, begin + 288 - 86_400));
    assert_eq!(day.down[598..], [Some(100), Some(400)]);
    // Long after the last sample the history ends now.
    let later = all.of(Some(1), Span::Day, begin + 287 + 43_200);
    assert_eq!(later.down[298..300], [Some(100), Some(400)]);
    assert!(later.down[300..].iter().all(Option::is_none));
}

#[test]
fn second_that_a_busy_machine_missed_is_no_rest() {
    let mut all = Histories::default();
    for second in [0, 1, 3, 4, 60] {
        all.sample(NOON + second, std::iter::once((1, rate(10))));
    }
    let history = all.of(Some(1), Span::Minutes, NOON + 60);
    assert_eq!(history.down[539..544], [Some(10); 5]);
    assert_eq!(told(&history).len(), 6, "a minute without samples is rest");
}

#[test]
fn history_is_written_once_a_minute_and_survives_a_restart() {
    let (_folder, db) = open();
    let mut all = Histories::load(&db, |_| true, NOON).unwrap();
    let mut writes = 0;
    for second in 0..130 {
        all.sample(NOON + second, std::iter::once((1, rate(7))));
        if let Some(unwritten) = all.take_unwritten(NOON + second, false) {
            unwritten.write(&db).unwrap();
            writes += 1;
        }
    }
    assert_eq!(writes, 2);
    all.take_unwritten(NOON + 130, true).unwrap().write(&db).unwrap();
    assert!(all.take_unwritten(NOON + 500, true).is_none(), "nothing is new");
    let again = Histories::load(&db, |_| true, NOON + 140).unwrap();
    for (id, span) in [(Some(1), Span::Minutes), (Some(1), Span::Day), (None, Span::Minutes)] {
        assert_eq!(again.of(id, span, NOON + 140), all.of(id, span, NOON + 140), "{id:?} {span:?}");
    }
    assert_eq!(told(&again.of(Some(1), Span::Minutes, NOON + 140)), [7; 130]);
}

#[test]
fn forgotten_transfer_leaves_no_row() {
    let (_folder, db) = open();
    let rows = |db: &Db| -> Vec<String> {
        let rows = db.all::<serde_json::Value>(Table::Settings).unwrap();
        rows.into_iter().map(|(key, _)| key).filter(|key| key.starts_with(PREFIX)).collect()
    };
    let mut all = Histories::load(&db, |_| true, NOON).unwrap();
    all.sample(NOON, [1, 2, 3].map(|id| (id, rate(7))).into_iter());
    let late = all.take_unwritten(NOON, true).unwrap();
    // Forgotten while its history is about to be written.
    all.forget(2);
    db.change(|change| change.remove(Table::Transfers, &number_key(2))).unwrap();
    late.write(&db).unwrap();
    assert_eq!(rows(&db), ["rates/0", "rates/1", "rates/3"]);
    // A row whose transfer is gone, and one that cannot be read, go with the next write.
    db.change(|change| change.put(Table::Settings, "rates/1", &"no rings")).unwrap();
    let mut again = Histories::load(&db, |id| id == 1, NOON).unwrap();
    again.take_unwritten(NOON, true).unwrap().write(&db).unwrap();
    assert_eq!(rows(&db), ["rates/0"]);
}

#[test]
fn no_more_histories_are_kept_than_the_limit() {
    let mut all = Histories::default();
    for id in 1..=400 {
        all.sample(NOON + id, std::iter::once((id, rate(1))));
    }
    assert_eq!(all.kept.len(), MAX_KEPT + 1);
    assert!(all.kept.contains_key(&ALL) && all.kept.contains_key(&400) && !all.kept.contains_key(&1));
}
