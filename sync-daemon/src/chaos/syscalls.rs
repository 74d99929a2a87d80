//! A fault at the n-th call to the disk, for every n: `strace` puts it there.

use std::collections::BTreeMap;
use std::path::Path;

use super::subject::{Harm, Subject, Wrapper};
use super::{ChaosArgs, Tally, has, progress};

/// All by which a store touches the disk. Sockets and logs use others.
const CALLS: [&str; 5] = ["pwrite64", "fdatasync", "fsync", "ftruncate", "rename"];

/// Puts the fault at every call of each kind.
pub(super) async fn sweep(args: &ChaosArgs, fault: &str, harm: Harm) -> anyhow::Result<Tally> {
    if !has("strace", "-V").await {
        return Ok(Tally::skipped("strace is not installed"));
    }
    let counts = match count(args).await {
        Ok(counts) if !counts.is_empty() => counts,
        Ok(_) => return Ok(Tally::skipped("strace sees no call: it may not trace here")),
        Err(error) => return Ok(Tally::skipped(format!("strace does not work here: {error:#}"))),
    };
    let mut tally = Tally::default();
    for (call, most) in counts {
        progress(args, &format!("{fault} at {call} 1 to {most}"));
        for n in (1..=most).step_by(args.every.max(1)) {
            let dir = tempfile::Builder::new().prefix("sync-daemon-chaos-").tempdir()?;
            let wrapper = strace(&["-e", &format!("inject={call}:{fault}:when={n}"), "-o", "/dev/null"]);
            let lived = Subject::new(dir.path())?.live(&wrapper, args.edits, harm).await;
            tally.add(&format!("{fault} at {call} {n}"), lived);
        }
    }
    Ok(tally)
}

fn strace(options: &[&str]) -> Wrapper {
    let calls = format!("trace={}", CALLS.join(","));
    let all = ["strace", "-f", "-q", "-e", &calls].into_iter().chain(options.iter().copied());
    Wrapper(all.map(str::to_owned).collect())
}

/// How often each call happens without a fault. The tool counts for each thread, so the busiest thread's count.
async fn count(args: &ChaosArgs) -> anyhow::Result<BTreeMap<String, usize>> {
    let dir = tempfile::Builder::new().prefix("sync-daemon-chaos-").tempdir()?;
    let log = dir.path().join("calls");
    let wrapper = strace(&["-o", &log.display().to_string()]);
    Subject::new(dir.path())?.live(&wrapper, args.edits, Harm::Ends).await?;
    Ok(busiest(&log)?)
}

fn busiest(log: &Path) -> std::io::Result<BTreeMap<String, usize>> {
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in std::fs::read_to_string(log)?.lines() {
        // As `1234  fdatasync(9) = 0`.
        let Some((thread, rest)) = line.split_once(char::is_whitespace) else { continue };
        let Some((call, _)) = rest.trim_start().split_once('(') else { continue };
        if CALLS.contains(&call) {
            *counts.entry((call.to_owned(), thread.to_owned())).or_default() += 1;
        }
    }
    let mut busiest = BTreeMap::new();
    for ((call, _), n) in counts {
        let most = busiest.entry(call).or_insert(0);
        *most = n.max(*most);
    }
    Ok(busiest)
}
