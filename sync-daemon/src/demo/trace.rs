//! Editing traces in the public JSON format, plain or gzip, sequential or concurrent.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

/// The trace that comes with the program: how files of this project were written.
const SHIPPED: &[u8] = include_bytes!("../../traces/own.json.gz");
/// The longest trace that is read, unpacked.
const MAX_BYTES: u64 = 1 << 30;

/// How the trace that comes with the program was made: successive revisions of files, typed out.
///
/// ```sh
/// for r in $(git log --reverse --format=%h -- crdt/src/codec.rs); do git show $r:crdt/src/codec.rs > /tmp/$r.rs; done
/// sync-daemon make-trace --out sync-daemon/traces/own.json.gz /tmp/*.rs
/// ```
#[derive(Debug, clap::Args)]
pub(crate) struct MakeArgs {
    /// The revisions of one file, oldest first
    #[arg(required = true, value_name = "FILE")]
    revisions: Vec<std::path::PathBuf>,
    /// Where to write the trace, as gzip
    #[arg(long)]
    out: std::path::PathBuf,
}

/// Types one revision after the other: each stretch that the next one lacks is deleted at once, what it has
/// more is typed character by character.
pub(crate) fn make(args: &MakeArgs) -> anyhow::Result<u8> {
    let mut now = String::new();
    let mut txns = Vec::new();
    for path in &args.revisions {
        let next =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        type_over(&now, &next, &mut txns);
        now = next;
    }
    let txns: Vec<_> = txns.into_iter().map(|patch| serde_json::json!({ "patches": [patch] })).collect();
    let count = txns.len();
    let trace = serde_json::json!({ "startContent": "", "endContent": now, "txns": txns });
    let mut gz =
        flate2::write::GzEncoder::new(std::fs::File::create(&args.out)?, flate2::Compression::best());
    serde_json::to_writer(&mut gz, &trace)?;
    gz.finish()?;
    println!("{count} transactions in {}", args.out.display());
    Ok(crate::cli::DONE)
}

fn type_over(before: &str, after: &str, txns: &mut Vec<(usize, usize, String)>) {
    let diff = similar::TextDiff::from_lines(before, after);
    let mut pos = 0;
    for change in diff.iter_all_changes() {
        let len = change.value().chars().count();
        match change.tag() {
            similar::ChangeTag::Equal => pos += len,
            similar::ChangeTag::Delete => txns.push((pos, len, String::new())),
            similar::ChangeTag::Insert => {
                for c in change.value().chars() {
                    txns.push((pos, 0, c.to_string()));
                    pos += 1;
                }
            }
        }
    }
}

/// A recorded editing history.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Trace {
    #[serde(default)]
    pub(crate) start_content: String,
    pub(crate) end_content: String,
    pub(crate) txns: Vec<Txn>,
    #[serde(default)]
    kind: String,
}

/// Edits made at once.
#[derive(Debug, Deserialize)]
pub(crate) struct Txn {
    /// Position, how many characters are deleted there, and what is inserted there.
    pub(crate) patches: Vec<(usize, usize, String)>,
    /// Which author; 0 in a sequential trace.
    #[serde(default)]
    pub(crate) agent: usize,
    /// The transactions that its author had seen last.
    #[serde(default)]
    pub(crate) parents: Vec<usize>,
}

impl Trace {
    /// Reads a trace from a file, or the one that comes with the program.
    pub(crate) fn read(path: Option<&Path>) -> anyhow::Result<Trace> {
        match path {
            None => Self::parse(SHIPPED),
            Some(path) => {
                let bytes = std::fs::read(path)
                    .with_context(|| format!("cannot read the trace {}", path.display()))?;
                Self::parse(&bytes).with_context(|| format!("in the trace {}", path.display()))
            }
        }
    }

    fn parse(bytes: &[u8]) -> anyhow::Result<Trace> {
        let mut text = Vec::new();
        if bytes.starts_with(&[0x1f, 0x8b]) {
            flate2::read::GzDecoder::new(bytes).take(MAX_BYTES).read_to_end(&mut text).context("not gzip")?;
        } else {
            text.extend_from_slice(bytes);
        }
        ensure!((text.len() as u64) < MAX_BYTES, "longer than {MAX_BYTES} bytes");
        let trace: Trace = serde_json::from_slice(&text).context("not an editing trace")?;
        trace.check()?;
        Ok(trace)
    }

    fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.txns.is_empty(), "it has no transactions");
        let mut last: Vec<Option<usize>> = vec![None; self.agents()];
        for (i, txn) in self.txns.iter().enumerate() {
            if let Some(parent) = txn.parents.iter().find(|parent| **parent >= i) {
                bail!("transaction {i} has seen {parent}, which is not before it");
            }
            if let Some(slot) = last.get_mut(txn.agent) {
                *slot = Some(i);
            }
        }
        Ok(())
    }

    /// How many authors there are.
    pub(crate) fn agents(&self) -> usize {
        self.txns.iter().map(|txn| txn.agent).max().unwrap_or(0) + 1
    }

    /// Whether it says what each author had seen.
    pub(crate) fn is_concurrent(&self) -> bool {
        self.kind == "concurrent" || self.agents() > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_trace_gives_its_end() {
        let trace = Trace::read(None).unwrap();
        assert!(trace.txns.len() > 5_000, "{}", trace.txns.len());
        let mut text: Vec<char> = trace.start_content.chars().collect();
        for (pos, deleted, inserted) in trace.txns.iter().flat_map(|txn| &txn.patches) {
            text.splice(*pos..pos + deleted, inserted.chars());
        }
        assert_eq!(text.into_iter().collect::<String>(), trace.end_content);
    }

    #[test]
    fn bad_traces_say_what_is_wrong() {
        let error = |bytes: &[u8]| format!("{:#}", Trace::parse(bytes).unwrap_err());
        assert!(error(b"{").contains("not an editing trace"));
        assert!(error(&[0x1f, 0x8b, 0]).contains("not gzip"));
        assert!(error(br#"{"endContent":"","txns":[]}"#).contains("no transactions"));
        let ahead = br#"{"endContent":"","txns":[{"patches":[],"parents":[0]}]}"#;
        assert!(error(ahead).contains("not before it"));
    }
}
