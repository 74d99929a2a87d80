//! [`Status`] as counters and gauges for a monitoring system, in the Prometheus text format.

use std::fmt::Write;

use crate::status::{Status, TrafficStatus};

/// How one figure is read off the traffic of a role.
type Read = fn(&TrafficStatus) -> u64;

/// What a scrape of `/metrics` gets.
pub(crate) fn of(status: &Status) -> String {
    let mut text = String::new();
    let failed = u64::from(status.store.starts_with("failed"));
    for (name, help, value) in [
        ("uptime_seconds", "Since it started.", status.uptime_ms / 1000),
        ("store_failed", "1 once the disk has failed: nothing is kept any more.", failed),
        ("documents", "Documents here.", status.documents as u64),
        ("documents_in_memory", "Those of them that are in memory.", status.in_memory as u64),
        ("documents_memory_bytes", "About what those take.", status.memory_bytes as u64),
        (
            "documents_to_compact",
            "Documents whose deltas are to be joined.",
            status.compaction.waiting as u64,
        ),
        ("documents_quarantined", "Documents that cannot be read.", status.quarantined.len() as u64),
        (
            "authors_held_back",
            "Authors, each in a document, whose stamps are too far ahead of the clock.",
            status.early.len() as u64,
        ),
        ("events_not_durable", "Events here that are not on this disk yet.", status.undurable),
    ] {
        head(&mut text, name, "gauge", help);
        let _ = writeln!(text, "sync_daemon_{name} {value}");
    }
    let roles = [("daemon", &status.daemon_traffic), ("client", &status.client_traffic)];
    let behind = |role: &'static str| {
        status.links.iter().filter(move |link| link.role == role).map(|link| link.behind)
    };
    head(&mut text, "links", "gauge", "Open links.");
    for (role, _) in roles {
        let _ = writeln!(text, "sync_daemon_links{{role=\"{role}\"}} {}", behind(role).count());
    }
    head(&mut text, "link_behind_events_max", "gauge", "Events that the peer furthest behind lacks.");
    for (role, _) in roles {
        let most = behind(role).max().unwrap_or_default();
        let _ = writeln!(text, "sync_daemon_link_behind_events_max{{role=\"{role}\"}} {most}");
    }
    let both_ways: [(&str, &str, [Read; 2]); 3] = [
        ("bytes_total", "Bytes of messages.", [|t| t.bytes_in, |t| t.bytes_out]),
        ("deltas_total", "Content frames.", [|t| t.deltas_in, |t| t.deltas_out]),
        ("control_frames_total", "All other frames.", [|t| t.control_in, |t| t.control_out]),
    ];
    for (name, help, reads) in both_ways {
        head(&mut text, name, "counter", help);
        for (role, traffic) in roles {
            for (way, read) in ["in", "out"].iter().zip(reads) {
                let value = read(traffic);
                let _ = writeln!(text, "sync_daemon_{name}{{role=\"{role}\",direction=\"{way}\"}} {value}");
            }
        }
    }
    let inward: [(&str, &str, Read); 2] = [
        ("events_in_total", "New events received.", |t| t.events_in),
        ("duplicates_in_total", "Content frames in which nothing was new.", |t| t.duplicates_in),
    ];
    for (name, help, read) in inward {
        head(&mut text, name, "counter", help);
        for (role, traffic) in roles {
            let _ = writeln!(text, "sync_daemon_{name}{{role=\"{role}\"}} {}", read(traffic));
        }
    }
    text
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP sync_daemon_{name} {help}\n# TYPE sync_daemon_{name} {kind}");
}
