//! What an identity takes on disk.

use domain::journal::{self, Claim, Expected, Older, Verdict::Duplicate};

use crate::house::{House, ROOM, at, month, tenant_id};

/// Delivers `ids` in batches of 10,000 and says what one of them takes on disk, with its index.
async fn bytes_each(house: &House, ids: &[String]) -> i64 {
    let older = Older::new(ROOM);
    for ids in ids.chunks(10_000) {
        let (cx, month) = house.hold().await;
        let claims: Vec<Claim> = ids.iter().map(|id| house.claim(month, id, 1)).collect();
        let claimed = journal::claim(&cx, month, &claims, &older, Expected::AllNew).await;
        claimed.expect("verdicts");
        cx.commit().await.expect("committed");
    }
    let size = "SELECT pg_total_relation_size('intake_identity_677')";
    house.number(size).await / i64::try_from(ids.len()).expect("a number")
}

#[tokio::test]
async fn a_record_takes_a_hundred_bytes_and_its_filter_nine_bits() {
    let house = House::new().await;
    house.open(at("2026-06-01T00:00:00Z")).await;
    let ids: Vec<String> = (0..300_000)
        .map(|n| (2_154_000_000_u32 + n).to_string())
        .collect();
    let bytes = bytes_each(&house, &ids).await;
    assert!(bytes <= 104, "{bytes} bytes");
    house.open(month(7)).await;
    let older = Older::new(ROOM);
    let filter = older.refresh(&house.db).await.expect("refreshed");
    assert!(filter * 8 < 300_000 * 96 / 10, "{filter} bytes");
    assert_eq!(house.number("SELECT count(*) FROM intake_filter").await, 2);
    // Each is found in its piece; the ends of the pieces are among them.
    for ids in ids.chunks(50_000) {
        let (cx, july) = house.hold().await;
        let claims: Vec<Claim> = ids.iter().map(|id| house.claim(july, id, 1)).collect();
        let verdicts = journal::claim(&cx, july, &claims, &older, Expected::AllNew).await;
        let verdicts = verdicts.expect("verdicts");
        assert!(
            verdicts
                .iter()
                .all(|verdict| matches!(verdict, Duplicate { .. }))
        );
    }
}

#[tokio::test]
async fn a_record_whose_id_begins_at_random_takes_a_tenth_more() {
    let house = House::new().await;
    house.open(at("2026-06-01T00:00:00Z")).await;
    let random = |n: i64| {
        journal::identity(tenant_id(0xa), "chance", &n.to_string())
            .as_u64_pair()
            .1
    };
    let ids: Vec<String> = (0..200_000)
        .map(|n| format!("{:016x}", random(n)))
        .collect();
    let bytes = bytes_each(&house, &ids).await;
    assert!((100..=116).contains(&bytes), "{bytes} bytes");
}
