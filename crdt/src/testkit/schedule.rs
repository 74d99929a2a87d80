//! [`Schedule`]: what happens, step by step. Every byte string is one.
//!
//! Eight bytes make a step, whatever they are: so a fuzzer may change any byte, and what shrinks does so step by
//! step. The first eight say how many replicas there are and how they are linked.

use std::fmt;

use super::sim::{Rng, Topology};

/// In which form an exchange goes, if the type has it; else as the whole state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// The whole state.
    State,
    /// What the other lacks.
    Delta,
    /// Operations, one by one.
    Op,
}

/// One thing that happens. Replicas are numbered from 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// A user edits; the bytes are the choices of [`Model::command`](super::Model::command).
    Edit {
        /// Where.
        at: u8,
        /// The choices.
        bytes: [u8; 5],
    },
    /// One takes what the other has, at once.
    Sync {
        /// Whose.
        from: u8,
        /// Who takes it.
        to: u8,
        /// As what.
        form: Form,
    },
    /// A message leaves.
    Send {
        /// From whom.
        from: u8,
        /// For whom.
        to: u8,
        /// As what.
        form: Form,
    },
    /// A message that is on its way arrives: any of them, so they overtake each other.
    Deliver {
        /// Which, counted from the oldest.
        pick: u8,
        /// It stays on its way too, and may come again.
        again: bool,
    },
    /// A message is lost.
    Lose {
        /// Which, counted from the oldest.
        pick: u8,
    },
    /// The network falls into two parts.
    Cut {
        /// A bit for each replica: on which side it is.
        sides: u8,
    },
    /// The network is whole again.
    Heal,
    /// The program stops and starts again on what it last wrote, which is all it had. What is on its way to it
    /// is lost.
    Restart {
        /// Where.
        at: u8,
        /// How the bytes are damaged for a try that must be refused or read, without a panic.
        damage: [u8; 2],
    },
    /// A backup is made.
    Save {
        /// Of whom.
        at: u8,
    },
    /// The program starts on the last backup, or on nothing.
    Rollback {
        /// Where.
        at: u8,
    },
    /// A replica's disk is copied over another's: both have one number.
    Copy {
        /// Whose.
        of: u8,
        /// Over whose.
        at: u8,
    },
    /// A clock is set.
    Skew {
        /// Whose.
        at: u8,
        /// To how many milliseconds before or after the true time.
        ms: i16,
    },
    /// A replica that was not there comes.
    Join {
        /// Which.
        at: u8,
    },
}

/// The kinds of steps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// [`Step::Edit`]
    Edit,
    /// [`Step::Sync`]
    Sync,
    /// [`Step::Send`]
    Send,
    /// [`Step::Deliver`], once
    Deliver,
    /// [`Step::Deliver`], and again
    Duplicate,
    /// [`Step::Lose`]
    Lose,
    /// [`Step::Cut`]
    Cut,
    /// [`Step::Heal`]
    Heal,
    /// [`Step::Restart`]
    Restart,
    /// [`Step::Save`]
    Save,
    /// [`Step::Rollback`]
    Rollback,
    /// [`Step::Copy`]
    Copy,
    /// [`Step::Skew`]
    Skew,
    /// [`Step::Join`]
    Join,
}

/// Which kind each value of a step's first byte means: a kind, and how many of the 256 values. Fixed for ever:
/// replay files depend on it.
const KINDS: [(Kind, u16); 14] = [
    (Kind::Edit, 88),
    (Kind::Sync, 64),
    (Kind::Send, 24),
    (Kind::Deliver, 20),
    (Kind::Duplicate, 8),
    (Kind::Lose, 8),
    (Kind::Cut, 6),
    (Kind::Heal, 6),
    (Kind::Restart, 8),
    (Kind::Save, 6),
    (Kind::Rollback, 6),
    (Kind::Copy, 4),
    (Kind::Skew, 4),
    (Kind::Join, 4),
];

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 14] = {
        let mut all = [Kind::Edit; 14];
        let mut i = 0;
        while i < all.len() {
            all[i] = KINDS[i].0;
            i += 1;
        }
        all
    };

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Edit => "edit",
            Kind::Sync => "sync",
            Kind::Send => "send",
            Kind::Deliver => "deliver",
            Kind::Duplicate => "duplicate",
            Kind::Lose => "lose",
            Kind::Cut => "cut",
            Kind::Heal => "heal",
            Kind::Restart => "restart",
            Kind::Save => "save",
            Kind::Rollback => "rollback",
            Kind::Copy => "copy",
            Kind::Skew => "skew",
            Kind::Join => "join",
        }
    }

    fn of(byte: u8) -> Kind {
        let mut left = u16::from(byte);
        for (kind, n) in KINDS {
            if left < n {
                return kind;
            }
            left -= n;
        }
        Kind::Edit
    }

    /// The first byte that means it.
    fn byte(self) -> u8 {
        let before = KINDS.iter().take_while(|(kind, _)| *kind != self);
        before.map(|(_, n)| n).sum::<u16>() as u8
    }
}

/// Replicas, links between them, and what happens.
///
/// ```
/// use crdt::testkit::Schedule;
/// let schedule = Schedule::from_bytes(b"any bytes are a schedule, of two to eight replicas");
/// assert_eq!(Schedule::from_bytes(&schedule.to_bytes()), schedule);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Schedule {
    /// How many replicas, 2 to 8.
    pub replicas: u8,
    /// How they are linked.
    pub topology: Topology,
    /// Chooses the links where the topology is random.
    pub graph_seed: u8,
    /// How many of them come late: the last ones, by [`Step::Join`] or at the end.
    pub late: u8,
    /// In which form they exchange everything at the end.
    pub form: Form,
    /// What happens.
    pub steps: Vec<Step>,
}

impl Schedule {
    /// The most replicas.
    pub const MAX_REPLICAS: u8 = 8;
    /// The most steps.
    pub const MAX_STEPS: usize = 256;

    /// The schedule that these bytes mean. A rest of fewer than eight is left out, and so is what comes after
    /// [`MAX_STEPS`](Self::MAX_STEPS).
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut steps = bytes.chunks_exact(8).filter_map(|step| <[u8; 8]>::try_from(step).ok());
        let [replicas, topology, graph_seed, late, form, ..] = steps.next().unwrap_or_default();
        let replicas = 2 + replicas % (Self::MAX_REPLICAS - 1);
        let topology = topology_of(topology);
        let mut schedule = Schedule {
            replicas,
            topology,
            graph_seed,
            late: late % replicas,
            form: form_of(form),
            steps: vec![],
        };
        let links = schedule.links();
        schedule.steps = steps.take(Self::MAX_STEPS).map(|step| decode(step, replicas, &links)).collect();
        schedule
    }

    /// The plainest bytes that mean this schedule.
    pub fn to_bytes(&self) -> Vec<u8> {
        let links = self.links();
        let topology = TOPOLOGIES.iter().position(|t| *t == self.topology).unwrap_or_default() as u8;
        let head = [self.replicas - 2, topology, self.graph_seed, self.late, self.form as u8, 0, 0, 0];
        let steps = self.steps.iter().map(|step| encode(step, self.replicas, &links));
        std::iter::once(head).chain(steps).flatten().collect()
    }

    /// Who is linked with whom.
    pub fn links(&self) -> Vec<(usize, usize)> {
        self.topology.edges(usize::from(self.replicas), u64::from(self.graph_seed))
    }

    /// A schedule from a generator's numbers. Of the kinds that `kinds` lists each schedule leaves some out:
    /// what many kinds at once hide, few show (Groce and others, "Swarm testing", 2012).
    pub(super) fn random(rng: &mut Rng, replicas: (u8, u8), max_steps: usize, kinds: &[Kind]) -> Self {
        let swarm = rng.next() | rng.next();
        let kept = |kind: Kind| kind <= Kind::Sync || swarm >> (kind as u32) & 1 == 1;
        let kinds: Vec<Kind> = kinds.iter().copied().filter(|kind| kept(*kind)).collect();
        let most = 2 + rng.below(max_steps.clamp(3, Self::MAX_STEPS) - 2);
        let steps = 2 + rng.below(most - 1);
        let mut bytes = Vec::with_capacity(8 * (steps + 1));
        let (low, high) = replicas;
        let [_, topology, graph_seed, late, form, ..] = rng.next().to_le_bytes();
        let late = if kinds.contains(&Kind::Join) { late } else { 0 };
        let replicas = low + (rng.below(usize::from(high - low) + 1)) as u8;
        bytes.extend([replicas - 2, topology, graph_seed, late, form, 0, 0, 0]);
        while bytes.len() < 8 * (steps + 1) {
            let step = rng.next().to_le_bytes();
            let [what, ..] = step;
            if kinds.contains(&Kind::of(what)) {
                bytes.extend(step);
            }
        }
        Self::from_bytes(&bytes)
    }
}

const TOPOLOGIES: [Topology; 6] =
    [Topology::Mesh, Topology::Line, Topology::Ring, Topology::Star, Topology::Tree, Topology::Random];

fn topology_of(byte: u8) -> Topology {
    TOPOLOGIES.get(usize::from(byte) % TOPOLOGIES.len()).copied().unwrap_or(Topology::Mesh)
}

fn form_of(byte: u8) -> Form {
    match byte % 3 {
        0 => Form::State,
        1 => Form::Delta,
        _ => Form::Op,
    }
}

fn decode(step: [u8; 8], replicas: u8, links: &[(usize, usize)]) -> Step {
    let [what, a, b, c, d, e, f, g] = step;
    let at = a % replicas;
    let link = || {
        let (from, to) = links.get(usize::from(a) % links.len().max(1)).copied().unwrap_or((0, 1));
        let (from, to) = (from as u8, to as u8);
        if b % 2 == 0 { (from, to) } else { (to, from) }
    };
    match Kind::of(what) {
        // The bytes that choose the command are the low ones of the random number too: b stays unused.
        Kind::Edit => Step::Edit { at, bytes: [c, d, e, f, g] },
        Kind::Sync => Step::Sync { from: link().0, to: link().1, form: form_of(c) },
        Kind::Send => Step::Send { from: link().0, to: link().1, form: form_of(c) },
        Kind::Deliver => Step::Deliver { pick: a, again: false },
        Kind::Duplicate => Step::Deliver { pick: a, again: true },
        Kind::Lose => Step::Lose { pick: a },
        Kind::Cut => Step::Cut { sides: a },
        Kind::Heal => Step::Heal,
        Kind::Restart => Step::Restart { at, damage: [c, d] },
        Kind::Save => Step::Save { at },
        Kind::Rollback => Step::Rollback { at },
        Kind::Copy => Step::Copy { at, of: b % replicas },
        Kind::Skew => Step::Skew { at, ms: i16::from_le_bytes([c, d]) },
        Kind::Join => Step::Join { at },
    }
}

fn encode(step: &Step, replicas: u8, links: &[(usize, usize)]) -> [u8; 8] {
    let what = step.kind().byte();
    let link = |from: u8, to: u8| {
        let (from, to) = (usize::from(from), usize::from(to));
        let at = |pair| links.iter().position(|link| *link == pair);
        match (at((from, to)), at((to, from))) {
            (Some(i), _) => (i as u8, 0),
            (None, Some(i)) => (i as u8, 1),
            (None, None) => (0, 0),
        }
    };
    debug_assert!(replicas <= Schedule::MAX_REPLICAS, "28 links at most, so a byte counts them");
    match *step {
        Step::Edit { at, bytes: [c, d, e, f, g] } => [what, at, 0, c, d, e, f, g],
        Step::Sync { from, to, form } | Step::Send { from, to, form } => {
            let (a, b) = link(from, to);
            [what, a, b, form as u8, 0, 0, 0, 0]
        }
        Step::Deliver { pick, .. } | Step::Lose { pick } => [what, pick, 0, 0, 0, 0, 0, 0],
        Step::Cut { sides } => [what, sides, 0, 0, 0, 0, 0, 0],
        Step::Heal => [what, 0, 0, 0, 0, 0, 0, 0],
        Step::Restart { at, damage: [c, d] } => [what, at, 0, c, d, 0, 0, 0],
        Step::Save { at } | Step::Rollback { at } | Step::Join { at } => [what, at, 0, 0, 0, 0, 0, 0],
        Step::Copy { at, of } => [what, at, of, 0, 0, 0, 0, 0],
        Step::Skew { at, ms } => {
            let [c, d] = ms.to_le_bytes();
            [what, at, 0, c, d, 0, 0, 0]
        }
    }
}

impl Step {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Step::Edit { .. } => Kind::Edit,
            Step::Sync { .. } => Kind::Sync,
            Step::Send { .. } => Kind::Send,
            Step::Deliver { again: false, .. } => Kind::Deliver,
            Step::Deliver { again: true, .. } => Kind::Duplicate,
            Step::Lose { .. } => Kind::Lose,
            Step::Cut { .. } => Kind::Cut,
            Step::Heal => Kind::Heal,
            Step::Restart { .. } => Kind::Restart,
            Step::Save { .. } => Kind::Save,
            Step::Rollback { .. } => Kind::Rollback,
            Step::Copy { .. } => Kind::Copy,
            Step::Skew { .. } => Kind::Skew,
            Step::Join { .. } => Kind::Join,
        }
    }

    /// The replicas it names.
    pub(super) fn replicas(&mut self) -> [Option<&mut u8>; 2] {
        match self {
            Step::Edit { at, .. }
            | Step::Restart { at, .. }
            | Step::Save { at }
            | Step::Rollback { at }
            | Step::Skew { at, .. }
            | Step::Join { at } => [Some(at), None],
            Step::Sync { from, to, .. } | Step::Send { from, to, .. } => [Some(from), Some(to)],
            Step::Copy { at, of } => [Some(at), Some(of)],
            Step::Deliver { .. } | Step::Lose { .. } | Step::Cut { .. } | Step::Heal => [None, None],
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Form::State => "state",
            Form::Delta => "delta",
            Form::Op => "op",
        })
    }
}
