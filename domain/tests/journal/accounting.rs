//! What does not add up is not recorded.

use domain::{
    Code,
    journal::{self, Month, NewBatch, NewRejection, Part, Tally},
};
use uuid::Uuid;

use crate::house::{House, batch, new_batch, now, part, refused, tally};

#[tokio::test]
async fn accounts_that_do_not_add_up_in_each_tenant_are_refused() {
    let house = House::new().await;
    let (alpha, beta) = (house.alpha, house.beta);
    let parts = [part(alpha, 1, &[1, 2]), part(beta, 2, &[3])];
    let good = [tally(alpha, 2, 1), tally(beta, 1, 0)];
    let of_alpha = [refused(alpha)];
    let more = |change: fn(&mut Tally)| {
        let mut tallies = good.to_vec();
        change(&mut tallies[0]);
        tallies
    };
    let crossed = [tally(alpha, 1, 1), tally(beta, 2, 0)].to_vec();
    let wrong: [(&str, Vec<Tally>, Vec<NewRejection>); 7] = [
        ("received", more(|t| t.received += 1), of_alpha.to_vec()),
        ("another tenant's rows", crossed, of_alpha.to_vec()),
        (
            "another tenant's refusal",
            good.to_vec(),
            vec![refused(beta)],
        ),
        ("no refusal", good.to_vec(), Vec::new()),
        ("bytes up", more(|t| t.bytes_up += 1), of_alpha.to_vec()),
        ("bytes down", more(|t| t.bytes_down += 1), of_alpha.to_vec()),
        ("a tenant less", good[..1].to_vec(), of_alpha.to_vec()),
    ];
    for (why, tallies, rejections) in wrong {
        let cx = house.system().await;
        let new = Some(new_batch(batch(1), &parts));
        let recorded =
            journal::record(&cx, journal::Kind::Cdr, new, &tallies, &rejections, now()).await;
        assert_eq!(recorded.expect_err(why).code(), Code::Internal, "{why}");
    }
    for (why, new) in [
        ("no batch", None),
        (
            "more rows than its parts have",
            Some(NewBatch {
                rows: 4,
                ..new_batch(batch(1), &parts)
            }),
        ),
    ] {
        let cx = house.system().await;
        let recorded = journal::record(&cx, journal::Kind::Cdr, new, &good, &of_alpha, now()).await;
        assert!(recorded.is_err(), "{why}");
    }
    let cx = house.system().await;
    let new = Some(new_batch(batch(1), &parts));
    let recorded = journal::record(&cx, journal::Kind::Cdr, new, &good, &of_alpha, now()).await;
    recorded.expect("recorded");
    cx.commit().await.expect("committed");
    let cx = house.system().await;
    for (tenant, expected) in [(alpha, (3, 2, 1, 6)), (beta, (1, 1, 0, 3))] {
        let ledger = journal::ledger(&cx, journal::Kind::Cdr, tenant)
            .await
            .expect("a ledger");
        let row = &ledger[0];
        assert_eq!(ledger.len(), 1);
        assert_eq!(
            (row.received, row.accepted, row.rejected, row.bytes_up),
            expected
        );
    }
}

#[tokio::test]
async fn sums_beyond_64_bits_are_kept() {
    let house = House::new().await;
    let mut large = Part::new(house.alpha, Month::of(now()).part(1));
    for n in 0..3 {
        large.add(Uuid::from_u128(n), now(), [u64::MAX, 0, u64::MAX]);
    }
    let bytes = u128::from(u64::MAX) * 3;
    let tallies = [Tally {
        bytes_up: bytes,
        bytes_down: 0,
        ..tally(house.alpha, 3, 0)
    }];
    let (cx, parts) = (house.system().await, [large]);
    let new = Some(new_batch(batch(1), &parts));
    let recorded = journal::record(&cx, journal::Kind::Cdr, new, &tallies, &[], now()).await;
    recorded.expect("recorded");
    let ledger = journal::ledger(&cx, journal::Kind::Cdr, house.alpha)
        .await
        .expect("a ledger");
    assert_eq!(ledger[0].bytes_up, bytes);
}
