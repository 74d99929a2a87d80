//! The works: what each asks of a server, and what it reports.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use crdt::doc::AnyDoc;
use crdt::sync::{DocId, Kind as DocKind, Output};
use crdt::{Replicated, VersionVector};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use crate::link::{self, Client, LINK, Link, Ws};
use crate::report::Row;
use crate::run::{Plan, run, timed, type_one};
use crate::server::{Kind, Programs, Protocol, Server, free_address};
use crate::sink::Sink;
use crate::{automerge, yjs};

const WITHIN: Duration = Duration::from_secs(120);

/// What all works share.
#[derive(Clone, Debug)]
pub struct Bench {
    pub programs: Programs,
    /// Where servers keep what they keep, each in a directory of its own.
    pub scratch: PathBuf,
    /// For how long paced work lasts.
    pub paced_for: Duration,
}

impl Bench {
    async fn start(&self, kind: Kind, peers: &[SocketAddr]) -> anyhow::Result<(Server, tempfile::TempDir)> {
        let dir = tempfile::tempdir_in(&self.scratch)?;
        let server = Server::start(kind, &self.programs, dir.path(), free_address()?, peers).await?;
        Ok((server, dir))
    }

    async fn fresh(&self, kind: Kind, plan: Plan) -> anyhow::Result<crate::run::Outcome> {
        let (server, _dir) = self.start(kind, &[]).await?;
        run(plan, &server, &[server.address]).await
    }

    /// One writer and `readers` subscribers of one document, an edit every 10 ms.
    pub async fn paced(&self, kind: Kind, readers: usize) -> anyhow::Result<Row> {
        let step = Duration::from_millis(10);
        let rounds = (self.paced_for.as_millis() / step.as_millis()) as u64;
        let plan = Plan { docs: 1, writers: 1, readers, rounds, step: Some(step), within: WITHIN };
        Ok(Row::of(format!("paced 1->{readers}"), kind.name(), &self.fresh(kind, plan).await?, true))
    }

    /// One writer and `readers` subscribers of one document, as fast as the server relays everything.
    pub async fn flat(&self, kind: Kind, readers: usize, edits: u64) -> anyhow::Result<Row> {
        let plan = Plan {
            docs: 1,
            writers: 1,
            readers,
            rounds: (edits / kind.flat_share()).max(1),
            step: None,
            within: WITHIN,
        };
        Ok(Row::of(format!("flat out 1->{readers}"), kind.name(), &self.fresh(kind, plan).await?, false))
    }

    /// Documents with one edit per second each, over ten connections that write and ten that read; where a connection
    /// has one document, over two for each.
    pub async fn many(&self, kind: Kind, docs: u64) -> anyhow::Result<Row> {
        let step = Duration::from_secs(1).div_f64(docs as f64);
        let rounds = self.paced_for.as_secs().max(1);
        let writers = if kind.has_names() { 10 } else { docs as usize };
        let plan = Plan { docs, writers, readers: 1, rounds, step: Some(step), within: WITHIN };
        Ok(Row::of(format!("{docs} documents, 1/s each"), kind.name(), &self.fresh(kind, plan).await?, true))
    }

    /// Documents that get so many edits a second in all, over ten connections: how long until each edit is called durable.
    pub async fn durable(&self, docs: u64, rate: u64) -> anyhow::Result<Row> {
        let step = Duration::from_secs(1).div_f64(rate as f64);
        let rounds = (self.paced_for.as_secs() * rate / docs).max(1);
        let writers = docs.min(10) as usize;
        let plan = Plan { docs, writers, readers: 0, rounds, step: Some(step), within: WITHIN };
        let outcome = self.fresh(Kind::Daemon, plan).await?;
        let at = |quantile| Some(outcome.safe.value_at_quantile(quantile) as f64 / 1e6);
        Ok(Row {
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            max_ms: at(1.0),
            peak_mib: Some(outcome.peak_kib as f64 / 1024.0),
            durable_ms: outcome.durable.map(|time| time.as_secs_f64() * 1e3),
            delivered: outcome.safe.len(),
            expected: outcome.edits,
            note: format!("p99.9 {:.2} ms", at(0.999).unwrap_or_default()),
            ..Row::new(format!("until durable: {docs} documents, {rate}/s in all"), Kind::Daemon.name())
        })
    }

    /// Daemons in a row or a ring; the subscriber is at the one farthest from the writer. Processor time and
    /// memory are those of the first.
    pub async fn hops(&self, ring: bool) -> anyhow::Result<Row> {
        let mut daemons: Vec<(Server, tempfile::TempDir)> = Vec::new();
        for n in 0..5 {
            let mut peers: Vec<SocketAddr> =
                daemons.last().map(|(server, _)| server.address).into_iter().collect();
            if ring && n == 4 {
                peers.extend(daemons.first().map(|(server, _)| server.address));
            }
            daemons.push(self.start(Kind::Daemon, &peers).await?);
        }
        let far =
            daemons.get(if ring { 2 } else { 4 }).map(|(server, _)| server.address).context("no fifth")?;
        let rounds = self.paced_for.as_millis() as u64 / 10;
        let step = Some(Duration::from_millis(10));
        let plan = Plan { docs: 1, writers: 1, readers: 1, rounds, step, within: WITHIN };
        let (first, _) = daemons.first().context("no first")?;
        let outcome = run(plan, first, &[far]).await?;
        let work = if ring { "ring of 5, 2 hops" } else { "line of 5, 4 hops" };
        Ok(Row::of(work, Kind::Daemon.name(), &outcome, true))
    }

    /// A client without anything gets everything of a server that has just started.
    pub async fn cold(&self, docs: u64, rounds: u64) -> anyhow::Result<Row> {
        let dir = tempfile::tempdir_in(&self.scratch)?;
        let mut server =
            Server::start(Kind::Daemon, &self.programs, dir.path(), free_address()?, &[]).await?;
        let plan = Plan { docs, writers: 1, readers: 1, rounds, step: None, within: WITHIN };
        let filled = run(plan, &server, &[server.address]).await?;
        anyhow::ensure!(filled.durable.is_some(), "what was written did not become durable in time");
        server.kill();
        let address = server.address;
        // It listens before it has read its store: it is up once it says who it is.
        let start = async {
            let server = Server::start(Kind::Daemon, &self.programs, dir.path(), address, &[]).await?;
            let mut link = Link::<Sink>::connect(Client::of(&[]), address, 0).await?;
            link.until(|output| matches!(output, Output::Hello { .. })).await?;
            Ok(server)
        };
        let (started_in, server) = timed(start).await?;
        let cpu = server.cpu()?;
        let events = docs * (rounds + 1);
        let (took, bytes) = timed(async {
            let mut link = Link::<Sink>::connect(Client::of_prefix(""), address, 0).await?;
            let mut seen = 0;
            link.until(|output| {
                if let Output::Changed { novel, .. } = output {
                    seen += novel.iter().map(|span| span.len()).sum::<u64>();
                }
                seen >= events
            })
            .await?;
            Ok(link
                .client
                .nodes()
                .flat_map(|node| node.links())
                .map(|(_, _, traffic)| traffic.bytes_in)
                .sum::<u64>())
        })
        .await?;
        let note = format!(
            "{:.0} ms to sync, {bytes} bytes, server CPU {:.0} ms; it starts in {:.0} ms",
            took.as_secs_f64() * 1e3,
            (server.cpu()? - cpu) * 1e3,
            started_in.as_secs_f64() * 1e3
        );
        let peak_mib = Some(server.peak_kib() as f64 / 1024.0);
        Ok(Row {
            note,
            peak_mib,
            ..Row::new(format!("cold sync, {docs} x {} events", rounds + 1), Kind::Daemon.name())
        })
    }

    /// Two clients that both wrote a thousand edits offline come back.
    pub async fn offline(&self) -> anyhow::Result<Row> {
        let (server, _dir) = self.start(Kind::Daemon, &[]).await?;
        let doc: DocId = "notes/a".parse()?;
        let mut links = Vec::new();
        for number in 0..2 {
            let client = Client::of(std::slice::from_ref(&doc));
            links.push(Link::<AnyDoc>::connect(client, server.address, number).await?);
        }
        let mut clients = Vec::new();
        for mut link in links {
            let node = link.client.node(&doc).context("no lane")?;
            node.edit(0, &doc, DocKind::DOC, |doc| type_one(doc, 0))?;
            link.flush().await?;
            link.until(|output| matches!(output, Output::Acked { .. })).await?;
            clients.push(link.disconnect());
        }
        let mut target = VersionVector::new();
        for client in &mut clients {
            let node = client.node(&doc).context("no lane")?;
            for _ in 0..1_000 {
                node.edit(0, &doc, DocKind::DOC, |doc| type_one(doc, 0))?;
            }
            while node.poll_output().is_some() {}
            target.merge(node.doc(&doc).context("no document")?.version());
        }
        let (took, ()) = timed(async {
            let mut back = tokio::task::JoinSet::new();
            for (number, client) in clients.into_iter().enumerate() {
                let (address, target, doc) = (server.address, target.clone(), doc.clone());
                back.spawn(async move {
                    let mut link = Link::connect(client, address, number).await?;
                    let done = |link: &mut Link<AnyDoc>| {
                        let doc = link.client.node(&doc).and_then(|node| node.doc(&doc));
                        doc.is_some_and(|doc| doc.version().covers(&target))
                    };
                    while !done(&mut link) {
                        link.step().await?;
                        while link.client.poll_output().is_some() {}
                    }
                    // The other may still need what this side holds: it stays until both are done.
                    link.flush().await?;
                    anyhow::Ok(link)
                });
            }
            let mut done = Vec::new();
            while let Some(link) = back.join_next().await {
                done.push(link??);
            }
            Ok(())
        })
        .await?;
        let note = format!("{:.1} ms until both have all 2,000", took.as_secs_f64() * 1e3);
        let peak_mib = Some(server.peak_kib() as f64 / 1024.0);
        Ok(Row { note, peak_mib, ..Row::new("back after 1,000 edits on both sides", Kind::Daemon.name()) })
    }

    /// What a connection costs that says nothing after it has said who it is.
    pub async fn idle(&self, kind: Kind, connections: usize) -> anyhow::Result<Row> {
        let (server, _dir) = self.start(kind, &[]).await?;
        let before = server.rss_kib()?;
        let (mut links, mut raw, mut plain) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..connections {
            let ws = || link::dial(server.address, "idle", number);
            match kind.protocol() {
                Protocol::Native => {
                    let client = Client::of(&["idle/a".parse()?]);
                    let mut link = Link::<Sink>::connect(client, server.address, number).await?;
                    link.until(|output| matches!(output, Output::Hello { .. })).await?;
                    links.push(link);
                }
                Protocol::Raw => raw.push(ws().await?),
                Protocol::Redis => plain.push(link::connect(server.address, number).await?),
                Protocol::Yjs { named } => {
                    let mut ws = ws().await?;
                    yjs::open(&mut ws, named.then_some("idle")).await?;
                    raw.push(ws);
                }
                Protocol::Automerge => {
                    let mut ws = ws().await?;
                    automerge::join(&mut ws, &format!("idle {number}")).await?;
                    raw.push(ws);
                }
            }
        }
        let each = server.rss_kib()?.saturating_sub(before) as f64 / connections as f64;
        let note = format!("{each:.1} KiB of memory each");
        let peak_mib = Some(server.peak_kib() as f64 / 1024.0);
        Ok(Row { note, peak_mib, ..Row::new(format!("{connections} idle connections"), kind.name()) })
    }

    /// Killed with SIGKILL while edits pour in: is what was called durable there afterwards?
    pub async fn kill(&self, kills: u32) -> anyhow::Result<Row> {
        let dir = tempfile::tempdir_in(&self.scratch)?;
        let address = free_address()?;
        let (mut promised, mut kept, mut lost, mut sent) = (0, 0, 0, 0);
        for kill in 0..kills {
            let mut server = Server::start(Kind::Daemon, &self.programs, dir.path(), address, &[]).await?;
            let doc: DocId = format!("kill/{kill}").parse()?;
            let mut link = Link::<AnyDoc>::connect(Client::of(&[]), address, 0).await?;
            let until = tokio::time::Instant::now() + Duration::from_millis(50 + u64::from(kill * 37 % 200));
            for n in 0.. {
                if tokio::time::Instant::now() >= until {
                    break;
                }
                let now = link.now();
                let node = link.client.node(&doc).context("no lane")?;
                node.edit(now, &doc, DocKind::DOC, |doc| type_one(doc, n))?;
                link.flush().await?;
                let _ = tokio::time::timeout(Duration::from_micros(200), link.step()).await;
            }
            server.kill();
            // What it still said before it died counts as promised.
            while link.step().await.is_ok() {}
            let node = link.client.node(&doc).context("no lane")?;
            let safe = node.peer_durable(LINK, &doc).cloned().unwrap_or_default();
            let written = node.doc(&doc).map(|doc| doc.version().clone()).unwrap_or_default();
            let _server = Server::start(Kind::Daemon, &self.programs, dir.path(), address, &[]).await?;
            let mut link = Link::<Sink>::connect(Client::of(std::slice::from_ref(&doc)), address, 0).await?;
            let mut found = VersionVector::new();
            if !safe.is_empty() {
                let id = doc.clone();
                link.until(|output| matches!(output, Output::Synced { doc, .. } if doc == id)).await?;
                let node = link.client.node(&doc).context("no lane")?;
                found = node.doc(&doc).map(|doc| doc.version().clone()).unwrap_or_default();
            }
            promised += safe.total();
            kept += found.total();
            sent += written.total();
            lost += safe.since(&found).map(|span| span.len()).sum::<u64>();
        }
        let note = format!(
            "{kills} kills: {sent} edits sent, {promised} called durable, {kept} there afterwards, {lost} promised and lost"
        );
        anyhow::ensure!(lost == 0, "{note}");
        Ok(Row { note, ..Row::new("kill -9", Kind::Daemon.name()) })
    }

    /// A Yjs client without anything gets one document, which somebody typed from its start to its end.
    pub async fn cold_yjs(&self, kind: Kind, named: bool, events: u64) -> anyhow::Result<Row> {
        let (server, _dir) = self.start(kind, &[]).await?;
        let name = named.then_some("cold");
        let (mut writer, _) = open_yjs(&server, name).await?;
        writer.send(Message::Binary(yjs::typed(name, 0, events))).await?;
        // Messages of one connection are taken in order: the answer to this one comes after all is in.
        yjs::open(&mut writer, name).await?;
        let cpu = server.cpu()?;
        let (took, (_, edits)) = timed(open_yjs(&server, name)).await?;
        anyhow::ensure!(edits == events, "{edits} of {events} came");
        let (ms, cpu) = (took.as_secs_f64() * 1e3, (server.cpu()? - cpu) * 1e3);
        let note = format!("{ms:.0} ms to sync, server CPU {cpu:.0} ms; from memory, without a restart");
        let peak_mib = Some(server.peak_kib() as f64 / 1024.0);
        Ok(Row { note, peak_mib, ..Row::new(format!("cold sync, 1 x {events} events"), kind.name()) })
    }

    /// As [`Bench::offline`], on a Yjs server: each sends what it typed as one update, as its library does.
    pub async fn offline_yjs(&self, kind: Kind, named: bool) -> anyhow::Result<Row> {
        const EDITS: u64 = 1_000;
        let (server, _dir) = self.start(kind, &[]).await?;
        let name = named.then_some("offline");
        for _ in 0..2 {
            open_yjs(&server, name).await?;
        }
        let (took, ()) = timed(async {
            let mut back = tokio::task::JoinSet::new();
            for (client, other) in [(8, 9), (9, 8)] {
                let address = server.address;
                back.spawn(async move {
                    let mut ws = link::dial(address, "one", 0).await?;
                    yjs::ask(&mut ws, name, &[(client, EDITS)]).await?;
                    ws.send(Message::Binary(yjs::written(name, client, EDITS))).await?;
                    let mut came = 0;
                    while came < EDITS {
                        let message = ws.next().await.context("the server went")??;
                        came = came.max(yjs::reaches_of(&message.into_data(), named, other)?);
                    }
                    anyhow::Ok(ws)
                });
            }
            let mut done = Vec::new();
            while let Some(ws) = back.join_next().await {
                done.push(ws??);
            }
            Ok(())
        })
        .await?;
        let note = format!("{:.1} ms until both have all 2,000", took.as_secs_f64() * 1e3);
        let peak_mib = Some(server.peak_kib() as f64 / 1024.0);
        Ok(Row { note, peak_mib, ..Row::new("back after 1,000 edits on both sides", kind.name()) })
    }

    /// As [`Bench::kill`]: is what a Yjs server had acknowledged there afterwards?
    pub async fn kill_yjs(&self, kind: Kind, kills: u32) -> anyhow::Result<Row> {
        let dir = tempfile::tempdir_in(&self.scratch)?;
        let address = free_address()?;
        let (mut sent, mut acked, mut kept, mut lost) = (0, 0, 0, 0);
        for kill in 0..kills {
            let mut server = Server::start(kind, &self.programs, dir.path(), address, &[]).await?;
            let name = format!("kill{kill}");
            let (mut ws, _) = open_yjs(&server, Some(&name)).await?;
            let until = tokio::time::Instant::now() + Duration::from_millis(50 + u64::from(kill * 37 % 200));
            let (mut edits, mut acks) = (0, 0);
            while tokio::time::Instant::now() < until {
                ws.send(Message::Binary(yjs::edit(Some(&name), edits))).await?;
                edits += 1;
                let next = tokio::time::timeout(Duration::from_micros(200), ws.next()).await;
                if let Ok(Some(Ok(message))) = next {
                    acks += u64::from(yjs::acknowledges(&message.into_data()));
                }
            }
            server.kill();
            while let Some(Ok(message)) = ws.next().await {
                acks += u64::from(yjs::acknowledges(&message.into_data()));
            }
            let server = Server::start(kind, &self.programs, dir.path(), address, &[]).await?;
            let (_, found) = open_yjs(&server, Some(&name)).await?;
            (sent, acked, kept) = (sent + edits, acked + acks, kept + found);
            lost += acks.saturating_sub(found);
        }
        let note = format!(
            "{kills} kills: {sent} edits sent, {acked} acknowledged, {kept} there afterwards, {lost} acknowledged and lost"
        );
        Ok(Row { note, ..Row::new("kill -9", kind.name()) })
    }
}

impl Bench {
    /// As [`Bench::kill`]: is what a server of automerge-repo's protocol had said to have there afterwards?
    pub async fn kill_automerge(&self, kind: Kind, kills: u32) -> anyhow::Result<Row> {
        let dir = tempfile::tempdir_in(&self.scratch)?;
        let address = free_address()?;
        let (mut sent, mut acked, mut kept, mut lost) = (0, 0, 0, 0);
        for kill in 0..kills {
            let mut server = Server::start(kind, &self.programs, dir.path(), address, &[]).await?;
            let (me, doc) = (format!("writer {kill}"), u64::from(kill));
            let (messages, heads) = automerge::messages_and_heads(&me, doc, 2_000)?;
            let mut ws = link::dial(address, "", 0).await?;
            automerge::join(&mut ws, &me).await?;
            let until = tokio::time::Instant::now() + Duration::from_millis(50 + u64::from(kill * 37 % 200));
            // The first makes the document, the others are the edits.
            let (mut edits, mut acks) = (0, 0);
            let heard = |message: &[u8], acks: &mut u64| {
                if let Ok(Some(received)) = automerge::Received::read(message) {
                    *acks = received.holds(&heads).max(*acks);
                }
            };
            for message in messages {
                if tokio::time::Instant::now() >= until {
                    break;
                }
                ws.send(Message::Binary(message)).await?;
                edits += 1;
                let next = tokio::time::timeout(Duration::from_micros(200), ws.next()).await;
                if let Ok(Some(Ok(message))) = next {
                    heard(&message.into_data(), &mut acks);
                }
            }
            server.kill();
            while let Some(Ok(message)) = ws.next().await {
                heard(&message.into_data(), &mut acks);
            }
            let server = Server::start(kind, &self.programs, dir.path(), address, &[]).await?;
            let mut ws = link::dial(server.address, "", 0).await?;
            automerge::join(&mut ws, "reader").await?;
            // One that has nothing of it says so, or nothing at all.
            let opened = automerge::open(&mut ws, "reader", doc);
            let found = match tokio::time::timeout(Duration::from_secs(3), opened).await {
                Ok(Ok(edits)) => edits + 1,
                Ok(Err(_)) | Err(_) => 0,
            };
            (sent, acked, kept) = (sent + edits, acked + acks, kept + found);
            lost += acks.saturating_sub(found);
        }
        let note = format!(
            "{kills} kills: {sent} edits sent, {acked} acknowledged, {kept} there afterwards, {lost} acknowledged and lost"
        );
        Ok(Row { note, ..Row::new("kill -9", kind.name()) })
    }
}

/// A connection that has a document open, and how many edits that has.
async fn open_yjs(server: &Server, name: Option<&str>) -> anyhow::Result<(Ws, u64)> {
    let mut ws = link::dial(server.address, "one", 0).await?;
    let edits = yjs::open(&mut ws, name).await?;
    Ok((ws, edits))
}
