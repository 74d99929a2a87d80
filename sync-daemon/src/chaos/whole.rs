//! Attacks on whole clusters: the soak, on the network and with the clocks that it is given.

use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use super::{ChaosArgs, Tally, has, progress};

/// Drops one packet in twenty, on the loopback of a network of its own.
const LOSSY: &str = "ip link set lo up && { \
    { nft add table inet f && nft add chain inet f in '{ type filter hook input priority 0; }' && \
      nft add rule inet f in meta l4proto tcp numgen random mod 100 '<' 5 drop; } 2>/dev/null || \
    iptables -A INPUT -p tcp -m statistic --mode random --probability 0.05 -j DROP; }";

pub(super) async fn cluster(args: &ChaosArgs) -> anyhow::Result<Tally> {
    soak(args, "kills, pauses, links", &[], &[]).await
}

pub(super) async fn packet_loss(args: &ChaosArgs) -> anyhow::Result<Tally> {
    let own = |script: &str| {
        ["unshare", "-rn", "sh", "-c", script, "sh"].into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let tried = own(LOSSY);
    let mut command = Command::new("unshare");
    command.args(tried.iter().skip(1)).stdout(Stdio::null()).stderr(Stdio::null());
    if !command.status().await.is_ok_and(|status| status.success()) {
        return Ok(Tally::skipped(
            "a network of its own with a packet filter (unshare, ip, nft or iptables) may not be made here",
        ));
    }
    soak(
        args,
        "one packet in twenty is dropped",
        &own(&format!("{LOSSY} && exec \"$@\"")),
        &["--faults", "0"],
    )
    .await
}

pub(super) async fn clocks(args: &ChaosArgs) -> anyhow::Result<Tally> {
    if !has("faketime", "--version").await {
        return Ok(Tally::skipped("faketime is not installed"));
    }
    soak(args, "clocks are years apart", &[], &["--clocks"]).await
}

/// A soak in a process of its own.
async fn soak(args: &ChaosArgs, what: &str, before: &[String], more: &[&str]) -> anyhow::Result<Tally> {
    progress(args, &format!("a cluster for {} s: {what}", args.seconds));
    let exe = std::env::current_exe()?.display().to_string();
    let mut words = before.iter().cloned().chain([exe]);
    let mut command = Command::new(words.next().unwrap_or_default());
    command
        .args(words)
        .args(["soak", "--json", "--quiet", "--for", &format!("{}s", args.seconds)])
        .args(more);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
    let mut tally = Tally { points: 1, hit: 1, ..Tally::default() };
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    tally.durable = said["durable"].as_u64().unwrap_or(0);
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        let missing = said["missing"].to_string();
        tally.failures.push(format!("{what}: {}: {} {missing}", output.status, error.trim()));
    }
    Ok(tally)
}
