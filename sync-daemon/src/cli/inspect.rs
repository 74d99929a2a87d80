//! `status`, `docs` and `get`: what a daemon has.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail};
use clap::Args;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use sync_daemon::{Compaction, Status, http};

use super::{DONE, FAILED, NOT_CONVERGED, To, Unreachable};

#[derive(Debug, Args)]
#[command(after_help = "With --cluster the exit code is 3 when not all daemons have the same.")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    to: To,
    /// Ask all daemons that can be found from this one, and say whether they agree
    #[arg(long)]
    cluster: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DocsArgs {
    #[command(flatten)]
    to: To,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sync-daemon get notes/a\n  sync-daemon get notes/a /title")]
pub(crate) struct GetArgs {
    /// The document
    doc: String,
    /// A part of it, as a JSON pointer such as /form/name
    pointer: Option<String>,
    #[command(flatten)]
    to: To,
    /// As JSON: a string in quotes
    #[arg(long)]
    json: bool,
}

async fn ask(to: &To, host: &str) -> anyhow::Result<Status> {
    let answer = http::get(host, "/v1/status", to.within()).await;
    let (_, body) =
        answer.map_err(|error| Unreachable(format!("cannot reach the daemon at {host}: {error}")))?;
    serde_json::from_str(&body).with_context(|| format!("{host} did not answer as a sync-daemon does"))
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header.to_vec());
    table
}

pub(crate) async fn status(args: StatusArgs) -> anyhow::Result<u8> {
    let first = ask(&args.to, args.to.host()).await?;
    if args.cluster {
        return cluster(&args, first).await;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&first)?);
        return Ok(DONE);
    }
    println!("{} at {}, up {} s, store {}", first.name, first.address, first.uptime_ms / 1000, first.store);
    for what in &first.quarantined {
        println!("cannot be read: {what}");
    }
    for what in &first.early {
        println!("held back until this machine's clock is there: {what}");
    }
    let mut links = table(&["peer", "role", "address", "behind", "sent", "received"]);
    for link in &first.links {
        let bytes = |n: u64| format!("{n} B");
        links.add_row([
            link.name.clone(),
            link.role.clone(),
            link.address.clone(),
            format!("{} events", link.behind),
            bytes(link.traffic.bytes_out),
            bytes(link.traffic.bytes_in),
        ]);
    }
    println!("{links}");
    let mib = |bytes: usize| bytes.div_ceil(1 << 20);
    println!(
        "{} documents, {} of them in memory: about {} MiB{}",
        first.documents,
        first.in_memory,
        mib(first.memory_bytes),
        if first.cache_bytes == usize::MAX {
            String::new()
        } else {
            format!(" of {}", mib(first.cache_bytes))
        }
    );
    if first.compaction.done > 0 || first.compaction.waiting > 0 {
        let Compaction { waiting, done, bytes_before, bytes_after } = first.compaction;
        println!("compacted {done} documents, {bytes_before} B to {bytes_after} B; {waiting} to go");
    }
    Ok(DONE)
}

/// Asks all daemons that neighbours name, from one to the next.
async fn cluster(args: &StatusArgs, first: Status) -> anyhow::Result<u8> {
    let mut known: BTreeMap<String, Status> = BTreeMap::new();
    let mut unreachable = BTreeSet::new();
    let mut next = vec![first];
    while let Some(status) = next.pop() {
        for link in status.links.iter().filter(|link| link.role == "daemon" && !link.address.is_empty()) {
            let new = !known.contains_key(&link.id) && status.id != link.id;
            if new && !next.iter().any(|other| other.id == link.id) && !unreachable.contains(&link.address) {
                match ask(&args.to, super::host(&link.address)).await {
                    Ok(neighbour) => next.push(neighbour),
                    Err(_) => drop(unreachable.insert(link.address.clone())),
                }
            }
        }
        known.insert(status.id.clone(), status);
    }
    let mut members: Vec<&Status> = known.values().collect();
    members.sort_by(|a, b| a.name.cmp(&b.name));
    let docs: BTreeSet<&str> =
        members.iter().flat_map(|s| s.docs.iter().map(|doc| doc.name.as_str())).collect();
    let digest = |status: &Status, name: &str| {
        status.docs.iter().find(|doc| doc.name == name).map_or("-".to_owned(), |doc| doc.digest.clone())
    };
    let agrees = |name: &str| {
        members.windows(2).all(|pair| match pair {
            [a, b] => digest(a, name) == digest(b, name),
            _ => true,
        })
    };
    // Not all documents of very many are listed; the fingerprint is of all.
    let equal = members.windows(2).all(|pair| matches!(pair, [a, b] if a.fingerprint == b.fingerprint));
    let converged = equal && docs.iter().all(|name| agrees(name)) && unreachable.is_empty();
    if args.json {
        let report =
            serde_json::json!({ "converged": converged, "unreachable": unreachable, "daemons": members });
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        let names = members.iter().map(|member| member.name.as_str());
        let mut out =
            table(&std::iter::once("document").chain(names).chain(["", "behind by"]).collect::<Vec<_>>());
        for name in &docs {
            let events = |status: &&&Status| {
                status.docs.iter().find(|doc| doc.name == **name).map_or(0, |doc| doc.events)
            };
            let most = members.iter().map(|status| events(&status)).max().unwrap_or(0);
            let least = members.iter().map(|status| events(&status)).min().unwrap_or(0);
            let state = if agrees(name) { "converged" } else { "differ" }.to_owned();
            let digests = members.iter().map(|status| digest(status, name));
            let row = std::iter::once((*name).to_owned()).chain(digests);
            out.add_row(row.chain([state, format!("{} events", most - least)]).collect::<Vec<_>>());
        }
        println!("{out}");
        unreachable.iter().for_each(|address| println!("cannot reach {address}"));
        let word = if converged { "CONVERGED" } else { "NOT CONVERGED" };
        let documents = members.iter().map(|status| status.documents).max().unwrap_or(0);
        println!("{word}: {} daemons, {documents} documents", members.len());
    }
    Ok(if converged { DONE } else { NOT_CONVERGED })
}

pub(crate) async fn docs(args: DocsArgs) -> anyhow::Result<u8> {
    let status = ask(&args.to, args.to.host()).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&status.docs)?);
        return Ok(DONE);
    }
    let mut out = table(&["document", "kind", "events", "durable", "digest"]);
    for doc in &status.docs {
        let (events, durable) = (doc.events.to_string(), doc.durable.to_string());
        out.add_row([doc.name.clone(), doc.kind.clone(), events, durable, doc.digest.clone()]);
    }
    println!("{out}");
    Ok(DONE)
}

pub(crate) async fn get(args: GetArgs) -> anyhow::Result<u8> {
    let host = args.to.host();
    let path = format!("/v1/doc/{}", http::encode_percent(&args.doc));
    let answer = http::get(host, &path, args.to.within()).await;
    let (status, body) =
        answer.map_err(|error| Unreachable(format!("cannot reach the daemon at {host}: {error}")))?;
    if !status.is_success() {
        bail!("{}: {}", args.doc, body.trim());
    }
    let value: serde_json::Value = serde_json::from_str(&body)?;
    let pointer = args.pointer.as_deref().unwrap_or_default();
    let Some(part) = value.pointer(pointer) else {
        eprintln!("error: {} has nothing at {pointer}", args.doc);
        return Ok(FAILED);
    };
    match part {
        serde_json::Value::String(text) if !args.json => println!("{text}"),
        part => println!("{}", serde_json::to_string_pretty(part)?),
    }
    Ok(DONE)
}
