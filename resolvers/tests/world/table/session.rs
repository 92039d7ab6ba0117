//! Sessions: every SIM has one, with two rollups.

use serde_json::{Value, json};

use super::{Open, Row, Way, any, one, rows, sims, ways};
use crate::world::{
    Caller,
    at::{At, Which},
};

/// Rollups of the log, newest first: the second ones of all SIMs, then the first ones.
fn history(caller: Caller) -> Vec<Which> {
    let all = [2, 1].into_iter();
    all.flat_map(|place| {
        caller
            .sims()
            .into_iter()
            .map(move |n| Which::Record(n, place))
    })
    .collect()
}

/// Rollups of the logs of all SIMs, SIM by SIM.
fn logs(caller: Caller) -> Vec<Which> {
    let sims = caller.sims().into_iter();
    sims.flat_map(|n| [Which::Record(n, 2), Which::Record(n, 1)])
        .collect()
}

fn own_sim(caller: Caller) -> Vec<Which> {
    let own = caller.own();
    if caller.sims().contains(&own) {
        vec![Which::Fleet(own)]
    } else {
        vec![]
    }
}

/// The ids of the sessions that a page of the log has rollups of.
fn logged(at: &At<'_>) -> Vec<String> {
    let which = match at.which {
        Which::Fleet(n) => vec![Which::Record(n, 2), Which::Record(n, 1)],
        _ => history(at.caller),
    };
    let of = |which| At { which, ..*at }.n();
    which.into_iter().map(|it| session(of(it))).collect()
}

fn session(n: usize) -> String {
    format!("session-{n}")
}

/// Which of its session's rollups it is, from 1.
fn place(at: &At<'_>) -> u64 {
    match at.which {
        Which::Record(_, place) => place.into(),
        _ => 2,
    }
}

fn bytes(at: &At<'_>, unit: u64) -> Value {
    json!((place(at) * unit * (at.n() as u64 + 1)).to_string())
}

fn made(at: &At<'_>) -> Value {
    let minute = if place(at) == 2 { 54 } else { 49 };
    json!(format!("2026-11-21T11:{minute}:{:02}Z", 59 - at.n()))
}

fn live(at: &At<'_>) -> Vec<String> {
    at.caller.sims().into_iter().map(session).collect()
}

ways! { WAYS:
    "LiveSession" Sessions "{ liveSessions(first: 100) { nodes { % } } }" => sims;
    "LiveSession" Sessions "{ liveSessions(first: 100) { edges { node { % } } } }" => sims;
    "LiveSession" Sims "{ sims(first: 100) { nodes { liveSession { % } } } }" => sims;
    "LiveSession" Sims "{ sim(by: { id: $sim }) { liveSession { % } } }" => own_sim;
    "LiveSessionConnection" Sessions "{ liveSessions(first: 100) { % } }" => one;
    "LiveSessionEdge" Sessions "{ liveSessions(first: 100) { edges { % } } }" => sims;
    "SessionLogEntry" Sessions "{ sessionHistory(first: 100) { nodes { % } } }" => history;
    "SessionLogEntry" Sessions "{ sessionHistory(first: 100) { edges { node { % } } } }" => history;
    "SessionLogEntry" Sims "{ sims(first: 100) { nodes { sessionLog(first: 10) { nodes { % } } } } }" => logs;
    "SessionLogConnection" Sessions "{ sessionHistory(first: 100) { % } }" => one;
    "SessionLogConnection" Sims "{ sims(first: 100) { nodes { sessionLog(first: 10) { % } } } }" => sims;
    "SessionLogEntryEdge" Sessions "{ sessionHistory(first: 100) { edges { % } } }" => history;
    "SessionLogEntryEdge" Sims "{ sims(first: 100) { nodes { sessionLog(first: 10) { edges { % } } } } }" => logs;
}

rows! { ROWS:
    "Query.liveSessions" Sessions "liveSessions { totalCount }" => |at| json!({ "totalCount": live(at).len() });
    "Query.sessionHistory" Sessions "sessionHistory { totalCount }" => |at| json!({ "totalCount": history(at.caller).len() });
    "Sim.liveSession" Sessions "liveSession { sessionId }" => |at| json!({ "sessionId": session(at.n()) });
    "Sim.sessionLog" Sessions "sessionLog(first: 1) { nodes { sessionId } }" => |at| json!({ "nodes": [{ "sessionId": session(at.n()) }] });
    "Sim.lastActivityAt" Sessions "" => made;
    "Sim.currentNetworkName" Sessions "" => |_| json!("Unknown (262/99)");
    "LiveSession.sessionId" Sessions "" => |at| json!(session(at.n()));
    "LiveSession.timestamp" Sessions "" => made;
    "LiveSession.networkName" Sessions "" => |_| json!("Unknown (262/99)");
    "LiveSession.radioAccessType" Sessions "" => |_| json!("LTE");
    "LiveSession.ipAddress" Sessions "" => |_| json!("10.0.0.1");
    "LiveSession.bytesIn" Sessions "" => |at| bytes(at, 100);
    "LiveSession.bytesOut" Sessions "" => |at| bytes(at, 1_000);
    "LiveSession.sim" Sessions "sim { iccid }" => |at| json!({ "iccid": at.iccid(at.n()) });
    "LiveSession.status" Sessions "" => |_| json!("ONLINE");
    "LiveSessionConnection.edges" Sessions "edges { node { sessionId } }" => |at| live(at).into_iter().map(|id| json!({ "node": { "sessionId": id } })).collect();
    "LiveSessionConnection.nodes" Sessions "nodes { sessionId }" => |at| live(at).into_iter().map(|id| json!({ "sessionId": id })).collect();
    "LiveSessionConnection.pageInfo" Sessions "pageInfo { hasNextPage }" => |_| json!({ "hasNextPage": false });
    "LiveSessionConnection.totalCount" Sessions "" => |at| json!(live(at).len());
    "LiveSessionEdge.cursor" Sessions "" => any;
    "LiveSessionEdge.node" Sessions "node { sessionId }" => |at| json!({ "sessionId": session(at.n()) });
    "SessionLogEntry.sessionId" Sessions "" => |at| json!(session(at.n()));
    "SessionLogEntry.timestamp" Sessions "" => made;
    "SessionLogEntry.networkName" Sessions "" => |_| json!("Unknown (262/99)");
    "SessionLogEntry.radioAccessType" Sessions "" => |_| json!("LTE");
    "SessionLogEntry.ipAddress" Sessions "" => |_| json!("10.0.0.1");
    "SessionLogEntry.bytesIn" Sessions "" => |at| bytes(at, 100);
    "SessionLogEntry.bytesOut" Sessions "" => |at| bytes(at, 1_000);
    "SessionLogEntry.sim" Sessions "sim { iccid }" => |at| json!({ "iccid": at.iccid(at.n()) });
    "SessionLogConnection.edges" Sessions "edges { node { sessionId } }" => |at| logged(at).into_iter().map(|id| json!({ "node": { "sessionId": id } })).collect();
    "SessionLogConnection.nodes" Sessions "nodes { sessionId }" => |at| logged(at).into_iter().map(|id| json!({ "sessionId": id })).collect();
    "SessionLogConnection.pageInfo" Sessions "pageInfo { hasNextPage }" => |_| json!({ "hasNextPage": false });
    "SessionLogConnection.totalCount" Sessions "" => |at| json!(logged(at).len());
    "SessionLogConnection.from" Sessions "" => |_| json!("2026-11-14T12:01:00Z");
    "SessionLogConnection.clamped" Sessions "" => |_| json!(false);
    "SessionLogEntryEdge.cursor" Sessions "" => any;
    "SessionLogEntryEdge.node" Sessions "node { sessionId }" => |at| json!({ "sessionId": session(at.n()) });
}
