//! `demo`: real daemons in a graph, real edits, real faults, and what came of it.
//!
//! A recorded history is typed into `demo/text`; at all other daemons writers edit `demo/form` at the same
//! time: a counter, a set, a map, a flag, and one text in which all of them write anywhere.

mod observe;
mod picture;
mod report;
mod script;
mod trace;
mod write;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use crdt::VersionVector;
use crdt::sync::DocId;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::cluster::Cluster;
use crate::cluster::topology::Topology;
use observe::{Observer, Record, Sample, SharedRecord, lock, percentile};
use picture::{Screen, View};
use report::{CatchUp, Quiet, Summary};
use script::Step;
use trace::Trace;
pub(crate) use trace::{MakeArgs, make};
use write::{Typist, Writer, fill_form};

/// How often the picture is drawn and the curves sampled.
const TICK: Duration = Duration::from_millis(100);
/// How often the next share of the trace is typed when it is typed at a pace.
const PACE: Duration = Duration::from_millis(25);
/// How long all nodes may take to agree at the end, beyond what the script says.
const SETTLE_WITHIN: Duration = Duration::from_secs(120);
/// How long a single edit may take to be everywhere.
const QUIET_WITHIN: Duration = Duration::from_secs(20);

#[derive(Debug, Args)]
#[command(after_help = script::HELP)]
pub(crate) struct DemoArgs {
    /// pair, line, ring, star, tree, mesh, or random:K for a random graph of mean degree K
    #[arg(long, default_value = "ring")]
    topology: String,
    /// How many daemons [default: 5, or 2 for a pair]
    #[arg(long)]
    nodes: Option<usize>,
    /// An editing trace in the public JSON format, plain or gzip [default: one of this project's own files]
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// What happens
    #[arg(long, default_value = script::DEFAULT)]
    script: String,
    /// How many edits of the trace are typed in a second; 0 for as fast as they are taken [default: 2000 for
    /// the project's own trace, else 0]
    #[arg(long)]
    rate: Option<f64>,
    /// How many edits a second are made to the form at each other daemon
    #[arg(long, default_value_t = 50.0)]
    form_rate: f64,
    /// For graphs and edits drawn by chance
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    /// Write a page with pictures and figures
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// No live picture, one line for each step
    #[arg(long)]
    plain: bool,
    /// Nothing but the result
    #[arg(long)]
    quiet: bool,
    /// Keep the daemons' data and logs in this directory
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// What the steps share with the task that draws and samples.
struct Stage {
    phase: String,
    alive: Vec<bool>,
    links: Vec<(usize, usize, bool)>,
}

struct Demo {
    started: Instant,
    cluster: Cluster,
    writers: Vec<Writer>,
    _observers: Vec<Observer>,
    record: SharedRecord,
    stage: Arc<Mutex<Stage>>,
    trace: Trace,
    typist: Typist,
    /// How much of the trace is typed, in percent and in transactions.
    typed: f64,
    done: usize,
    rate: f64,
    text: DocId,
    form: DocId,
    forms: Vec<JoinHandle<anyhow::Result<i64>>>,
    /// What has been added to the form's counter in all.
    votes: i64,
    stop_forms: watch::Sender<bool>,
    form_rate: f64,
    seed: u64,
    quiet: Option<Quiet>,
    catch_ups: Vec<JoinHandle<CatchUp>>,
    marks: Vec<(Duration, String)>,
    failures: Vec<String>,
}

pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<u8> {
    tokio::select! {
        result = perform(args) => result,
        // Dropping the work ends the daemons and removes their data.
        _ = crate::cli::stopped() => bail!("interrupted"),
    }
}

async fn perform(args: DemoArgs) -> anyhow::Result<u8> {
    let topology: Topology = args.topology.parse()?;
    let nodes = args.nodes.unwrap_or(if topology == Topology::Pair { 2 } else { 5 });
    let mut rng = fastrand::Rng::with_seed(args.seed);
    let edges = topology.edges(nodes, &mut rng)?;
    let usable = if nodes < 3 && args.script == script::DEFAULT {
        "quiet 20; replay 50; cut n1 n2; replay 20; heal; kill n2; replay 15; restart n2; replay 15; expect converged 60s"
    } else {
        &args.script
    };
    let script = fit(usable, &edges);
    let steps = script::parse(&script, nodes)?;
    let trace = Trace::read(args.trace.as_deref())?;
    let described = format!(
        "{}, {} transactions",
        args.trace.as_ref().map_or("the project's own trace".to_owned(), |path| path.display().to_string()),
        trace.txns.len()
    );
    let temporary = tempfile::Builder::new().prefix("sync-daemon-demo-").tempdir()?;
    let dir = args.keep.clone().unwrap_or_else(|| temporary.path().to_owned());

    let places = topology.places(nodes);
    let mut demo = Demo::start(&args, trace, nodes, &edges, &dir).await?;
    let (samples, ticker) = demo.tick(places.clone(), Screen::new(args.plain || args.json, args.quiet));
    for step in steps {
        demo.step(step).await?;
    }
    let summary = demo.finish(topology.to_string(), described).await?;
    ticker.abort();
    let samples = samples.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(path) = &args.report {
        let html = summary.html(&places, &edges, &samples, &demo.marks);
        std::fs::write(path, html).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        summary.print();
    }
    Ok(if summary.converged { crate::cli::DONE } else { crate::cli::NOT_CONVERGED })
}

/// The default script cuts the link between n1 and n2; where there is none, the first there is.
fn fit(script: &str, edges: &[(usize, usize)]) -> String {
    let linked = edges.iter().any(|edge| matches!(edge, (0, 1) | (1, 0)));
    match edges.first() {
        Some((a, b)) if !linked && script == script::DEFAULT => {
            script.replace("cut n1 n2", &format!("cut n{} n{}", a + 1, b + 1))
        }
        _ => script.to_owned(),
    }
}

impl Demo {
    async fn start(
        args: &DemoArgs,
        trace: Trace,
        nodes: usize,
        edges: &[(usize, usize)],
        dir: &std::path::Path,
    ) -> anyhow::Result<Demo> {
        let started = Instant::now();
        let cluster = Cluster::start(nodes, edges, dir).await?;
        let (text, form): (DocId, DocId) = ("demo/text".parse()?, "demo/form".parse()?);
        let docs = [text.clone(), form.clone()];
        let record = Record::new(nodes);
        let (mut writers, mut observers) = (Vec::new(), Vec::new());
        for (node, member) in cluster.members.iter().enumerate() {
            let address = format!("ws://{}", member.address);
            observers.push(Observer::start(node, address.clone(), &docs, record.clone()).await?);
            writers.push(Writer::start(node, address, &docs, record.clone()).await?);
        }
        let stage = Stage {
            phase: "starting".into(),
            alive: vec![true; nodes],
            links: edges.iter().map(|(a, b)| (*a, *b, true)).collect(),
        };
        let typist = Typist::new(&trace, &writers)?;
        Ok(Demo {
            started,
            cluster,
            writers,
            _observers: observers,
            record,
            stage: Arc::new(Mutex::new(stage)),
            trace,
            typist,
            typed: 0.0,
            done: 0,
            rate: args.rate.unwrap_or(if args.trace.is_some() { 0.0 } else { 2000.0 }),
            text,
            form,
            forms: Vec::new(),
            votes: 0,
            stop_forms: watch::channel(false).0,
            form_rate: args.form_rate,
            seed: args.seed,
            quiet: None,
            catch_ups: Vec::new(),
            marks: Vec::new(),
            failures: Vec::new(),
        })
    }

    /// Draws and samples until it is aborted.
    fn tick(&self, places: Vec<(f64, f64)>, mut screen: Screen) -> (Arc<Mutex<Vec<Sample>>>, JoinHandle<()>) {
        let samples = Arc::new(Mutex::new(Vec::new()));
        let (out, record, stage, started) =
            (Arc::clone(&samples), self.record.clone(), Arc::clone(&self.stage), self.started);
        let task = tokio::spawn(async move {
            let mut tick = tokio::time::interval(TICK);
            let mut before = 0;
            loop {
                tick.tick().await;
                let (known, written, edits) = {
                    let record = lock(&record);
                    let known: Vec<u64> = (0..places.len()).map(|node| record.events(node)).collect();
                    (known, record.total(), record.edits)
                };
                let rate = (edits - before) as f64 / TICK.as_secs_f64();
                before = edits;
                {
                    let stage = stage.lock().unwrap_or_else(PoisonError::into_inner);
                    screen.show(&View {
                        places: &places,
                        names: (1..=places.len()).map(|n| format!("n{n}")).collect(),
                        alive: stage.alive.clone(),
                        links: stage.links.clone(),
                        known: known.clone(),
                        total: written,
                        phase: stage.phase.clone(),
                        rate,
                    });
                }
                let sample = Sample { at: started.elapsed(), written, known };
                out.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
            }
        });
        (samples, task)
    }

    fn phase(&self, phase: &str) {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        stage.phase = phase.to_owned();
        stage.alive = (0..self.cluster.members.len()).map(|node| self.cluster.is_alive(node)).collect();
        stage.links = self.cluster.edges.iter().map(|edge| (edge.a, edge.b, edge.is_up())).collect();
    }

    fn mark(&mut self, what: String) {
        self.marks.push((self.started.elapsed(), what));
    }

    async fn step(&mut self, step: Step) -> anyhow::Result<()> {
        match step {
            Step::Quiet { count } => self.measure_quiet(count).await?,
            Step::Write { node, count } => {
                self.phase(&format!("n{} writes {count}", node + 1));
                let writer = self.writers.get(node).context("no such node")?.clone();
                for i in 0..count {
                    let key = format!("w{i}");
                    writer
                        .edit(&self.form, 1, move |doc, now| doc.transact(now, |tx| tx.put(&key, i as i64)))
                        .await?;
                }
            }
            Step::Replay { percent } => self.replay(percent).await?,
            Step::Cut { a, b } => {
                self.cluster.set_link(a, b, false)?;
                self.mark(format!("cut n{} n{}", a + 1, b + 1));
                self.phase(&format!("n{} and n{} are cut", a + 1, b + 1));
            }
            Step::Heal { link } => {
                match link {
                    Some((a, b)) => self.cluster.set_link(a, b, true)?,
                    None => self.cluster.heal_all(),
                }
                self.mark("heal".to_owned());
                self.phase("healed");
                self.watch_catch_up("healing", (0..self.cluster.members.len()).collect());
            }
            Step::Kill { node } => {
                self.cluster.kill(node).await?;
                self.mark(format!("kill n{}", node + 1));
                self.phase(&format!("n{} is killed", node + 1));
            }
            Step::Restart { node } => {
                self.cluster.restart(node).await?;
                self.mark(format!("restart n{}", node + 1));
                self.phase(&format!("n{} is back", node + 1));
                self.watch_catch_up(&format!("restarting n{}", node + 1), vec![node]);
            }
            Step::Wait(time) => {
                self.phase(&format!("waiting {time:?}"));
                tokio::time::sleep(time).await;
            }
            Step::Expect { within } => {
                self.stop_forms().await?;
                self.phase("waiting until all agree");
                if !self.wait_all(within).await {
                    self.failures.push(format!("not converged within {within:?}: {}", self.who_is_behind()));
                }
            }
        }
        Ok(())
    }

    /// Types a share of the trace; all other daemons' writers edit the form meanwhile, and go on after.
    async fn replay(&mut self, percent: f64) -> anyhow::Result<()> {
        if self.forms.is_empty() && self.form_rate > 0.0 {
            let _ = self.stop_forms.send(false);
            for (node, writer) in self.writers.iter().enumerate().skip(1) {
                let stop = self.stop_forms.subscribe();
                let seed = self.seed.wrapping_mul(31).wrapping_add(node as u64);
                self.forms.push(tokio::spawn(fill_form(
                    writer.clone(),
                    self.form.clone(),
                    self.form_rate,
                    stop,
                    seed,
                )));
            }
        }
        self.typed = (self.typed + percent).min(100.0);
        let until = (self.trace.txns.len() as f64 * self.typed / 100.0).round() as usize;
        let note = self.stage.lock().unwrap_or_else(PoisonError::into_inner).phase.clone();
        self.phase(&format!("replaying up to {:.0} %", self.typed));
        let mut pace = tokio::time::interval(PACE);
        while self.done < until {
            let share = (self.rate * PACE.as_secs_f64()).ceil() as usize;
            if share > 0 {
                pace.tick().await;
            }
            self.done = if share > 0 { (self.done + share).min(until) } else { until };
            self.typist.replay(&self.trace, &self.text, self.done).await?;
        }
        self.phase(&note);
        Ok(())
    }

    /// Edits one at a time, each everywhere before the next, and counts content frames.
    async fn measure_quiet(&mut self, count: usize) -> anyhow::Result<()> {
        let nodes = self.writers.len();
        self.phase("forming trees: each node writes once or twice");
        for node in (0..nodes).chain(0..nodes) {
            self.single_edit(node).await?;
            // Links that are told nothing are announced to half a second later; let that pass.
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        self.phase(&format!("{count} single edits"));
        let before = self.cluster.traffic().await?;
        let first = lock(&self.record).latencies.len();
        for i in 0..count {
            self.single_edit(i % nodes).await?;
        }
        // A frame that is not needed may still be on its way.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let after = self.cluster.traffic().await?;
        let mut times: Vec<u64> = lock(&self.record).latencies.iter().skip(first).copied().collect();
        times.sort_unstable();
        let frames_per_edit = (after.deltas_out - before.deltas_out) as f64 / count.max(1) as f64;
        let duplicates = after.duplicates_in - before.duplicates_in;
        let least = nodes - 1;
        let excess = (after.deltas_out - before.deltas_out).saturating_sub((least * count) as u64);
        let reason_for_excess = (excess > 0).then(|| {
            format!("{excess} more in all, by a second path that was not pruned yet; {duplicates} of them have been received")
        });
        let ms = |share| percentile(&times, share).map(|us| us as f64 / 1000.0);
        let (latency_p50_ms, latency_p99_ms) = (ms(0.5), ms(0.99));
        self.quiet = Some(Quiet {
            edits: count,
            frames_per_edit,
            least,
            reason_for_excess,
            latency_p50_ms,
            latency_p99_ms,
        });
        Ok(())
    }

    async fn single_edit(&self, node: usize) -> anyhow::Result<()> {
        let writer = self.writers.get(node).context("no such node")?;
        writer.edit(&self.form, 1, |doc, now| doc.transact(now, |tx| tx.counter("quiet").add(1))).await?;
        if self.wait_all(QUIET_WITHIN).await {
            Ok(())
        } else {
            bail!("a single edit did not arrive: {}", self.who_is_behind())
        }
    }

    /// Waits until every node has everything that was written so far.
    async fn wait_all(&self, within: Duration) -> bool {
        let target = lock(&self.record).written.clone();
        let nodes = 0..self.cluster.members.len();
        until_known(&self.record, nodes.collect(), &target, within).await.is_some()
    }

    fn who_is_behind(&self) -> String {
        let record = lock(&self.record);
        let nodes = (0..self.cluster.members.len()).filter(|node| !record.covers(*node, &record.written));
        let behind =
            nodes.map(|node| format!("n{} has {} of {}", node + 1, record.events(node), record.total()));
        behind.collect::<Vec<_>>().join(", ")
    }

    /// Measures, beside the rest, how long these nodes take to know what is written by now.
    fn watch_catch_up(&mut self, after: &str, nodes: Vec<usize>) {
        let (record, after) = (self.record.clone(), after.to_owned());
        let (target, events_behind) = {
            let record = lock(&record);
            let least = nodes.iter().map(|node| record.events(*node)).min().unwrap_or(0);
            (record.written.clone(), record.total().saturating_sub(least))
        };
        self.catch_ups.push(tokio::spawn(async move {
            let took = until_known(&record, nodes, &target, SETTLE_WITHIN).await;
            CatchUp { after, events_behind, ms: took.map(|took| took.as_secs_f64() * 1000.0) }
        }));
    }

    async fn stop_forms(&mut self) -> anyhow::Result<i64> {
        let _ = self.stop_forms.send(true);
        let mut added = 0;
        for form in std::mem::take(&mut self.forms) {
            added += form.await??;
        }
        self.votes += added;
        Ok(self.votes)
    }

    /// The end of the trace, and the truth: every daemon's own answer.
    async fn finish(&mut self, topology: String, trace: String) -> anyhow::Result<Summary> {
        self.phase("the end of the trace");
        self.cluster.heal_all();
        for node in 0..self.cluster.members.len() {
            if !self.cluster.is_alive(node) {
                self.cluster.restart(node).await?;
            }
        }
        if self.typed > 0.0 {
            self.replay(100.0).await?;
            self.typist.flush(&self.text).await?;
        }
        let votes = self.stop_forms().await?;
        for writer in &self.writers {
            writer.flush(&self.form).await?;
        }
        self.phase("checking");
        if !self.wait_all(SETTLE_WITHIN).await {
            self.failures.push(format!("not converged: {}", self.who_is_behind()));
        }
        let losses = self.losses();
        if losses > 0 {
            self.failures.push(format!("{losses} acknowledged events are missing"));
        }
        self.compare(votes).await;
        let mut catch_ups = Vec::new();
        for task in std::mem::take(&mut self.catch_ups) {
            catch_ups.push(task.await?);
        }
        let traffic = self.cluster.traffic().await?;
        let (edits, events, mut times) = {
            let record = lock(&self.record);
            (record.edits, record.total(), record.latencies.clone())
        };
        times.sort_unstable();
        let ms = |share| percentile(&times, share).map(|us| us as f64 / 1000.0);
        Ok(Summary {
            converged: self.failures.is_empty(),
            nodes: self.cluster.members.len(),
            topology,
            trace,
            seconds: self.started.elapsed().as_secs_f64(),
            edits,
            events,
            quiet: self.quiet.take(),
            frames_per_edit: traffic.deltas_out as f64 / edits.max(1) as f64,
            bytes_per_edit: traffic.bytes_out as f64 / edits.max(1) as f64,
            latency_p50_ms: ms(0.5),
            latency_p99_ms: ms(0.99),
            catch_ups,
            duplicates: traffic.duplicates_in,
            losses,
            failures: self.failures.clone(),
        })
    }

    /// Everything that was written has been acknowledged as durable by now: what some node lacks is lost.
    fn losses(&self) -> u64 {
        let record = lock(&self.record);
        let lacks = |known: &BTreeMap<DocId, VersionVector>| -> u64 {
            let nothing = VersionVector::new();
            let lack = record.written.iter().map(|(doc, version)| {
                version.since(known.get(doc).unwrap_or(&nothing)).map(|span| span.len()).sum::<u64>()
            });
            lack.sum()
        };
        record.known.iter().map(lacks).max().unwrap_or(0)
    }

    /// Asks every daemon itself for both documents, and compares them with each other and with the trace.
    async fn compare(&mut self, votes: i64) {
        for doc in [self.text.clone(), self.form.clone()] {
            let mut first: Option<serde_json::Value> = None;
            for node in 0..self.cluster.members.len() {
                match (self.cluster.document(node, doc.as_str()).await, &first) {
                    (Err(_), None) if node == 0 && !lock(&self.record).written.contains_key(&doc) => break,
                    (Err(error), _) => self.failures.push(error.to_string()),
                    (Ok(value), None) => first = Some(value),
                    (Ok(value), Some(first)) if value != *first => {
                        self.failures.push(format!("{doc} on n{} is not what it is on n1", node + 1));
                    }
                    (Ok(_), Some(_)) => {}
                }
            }
            let Some(value) = first else { continue };
            if doc == self.text && self.typed > 0.0 {
                let text = value.get("text").and_then(|text| text.as_str()).unwrap_or_default();
                if let Some(at) = first_difference(text, &self.trace.end_content) {
                    self.failures
                        .push(format!("the text is not the trace's: it differs from character {at} on"));
                }
            }
            let counted = value.get("votes").and_then(serde_json::Value::as_i64).unwrap_or(0);
            if doc == self.form && counted != votes {
                self.failures.push(format!("the counter shows {counted}, but {votes} were added"));
            }
        }
    }
}

/// The first character in which two texts differ; `None` when they are equal.
fn first_difference(a: &str, b: &str) -> Option<usize> {
    if a == b {
        return None;
    }
    Some(a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count())
}

/// How long it takes until these nodes know `target`; `None` when they do not within that time.
async fn until_known(
    record: &SharedRecord,
    nodes: Vec<usize>,
    target: &BTreeMap<DocId, VersionVector>,
    within: Duration,
) -> Option<Duration> {
    let started = Instant::now();
    while started.elapsed() < within {
        let done = {
            let record = lock(record);
            nodes.iter().all(|node| record.covers(*node, target))
        };
        if done {
            return Some(started.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    None
}
