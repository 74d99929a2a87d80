//! [`World`]: some replicas, the messages between them, and every law, checked as a schedule is played.

use std::rc::Rc;

use super::faces::{Faces, Packet};
use super::law::{Broken, Law};
use super::model::{Event, History, Known, Model, Pick};
use super::schedule::{Form, Schedule, Step};
use super::trace::{Mark, Trace};

type Checked = Result<(), Box<Broken>>;

struct Node<T: Model> {
    state: T,
    view: T::View,
    known: Known,
    /// Its own number; another than its index after a rollback.
    me: u8,
    here: bool,
    skew: i64,
    saved: Option<(T, Known)>,
}

struct Message<T> {
    number: usize,
    from: u8,
    to: u8,
    form: Form,
    packet: Packet<T>,
    brings: Known,
    /// What the receiver must know before.
    needs: Known,
}

/// What was once seen of a set of edits.
struct Seen<V> {
    known: Known,
    view: V,
    bytes: Option<Vec<u8>>,
    at: u8,
}

/// How often what was done.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct Counts {
    pub(super) kinds: [u64; 14],
    pub(super) laws: [u64; 11],
}

impl Counts {
    pub(super) fn add(&mut self, other: &Counts) {
        self.kinds.iter_mut().zip(other.kinds).for_each(|(a, b)| *a += b);
        self.laws.iter_mut().zip(other.laws).for_each(|(a, b)| *a += b);
    }
}

pub(super) struct World<'a, T: Model> {
    faces: &'a Faces<T>,
    nodes: Vec<Node<T>>,
    links: Vec<(usize, usize)>,
    events: Vec<Event<T::Command>>,
    ops: Vec<Option<Packet<T>>>,
    flight: Vec<Message<T>>,
    sent: usize,
    sides: u8,
    seen: Vec<Seen<T::View>>,
    next_me: u8,
    time: u64,
    pub(super) counts: Counts,
    pub(super) trace: Option<Trace>,
}

impl<'a, T: Model + 'static> World<'a, T> {
    pub(super) fn new(faces: &'a Faces<T>, schedule: &Schedule, traced: bool) -> Self {
        let here = schedule.replicas - schedule.late.min(schedule.replicas - 1);
        let node = |me| {
            let state = T::new(me);
            let view = state.view();
            Node { state, view, known: Known::default(), me, here: me < here, skew: 0, saved: None }
        };
        World {
            faces,
            nodes: (0..schedule.replicas).map(node).collect(),
            links: schedule.links(),
            events: Vec::new(),
            ops: Vec::new(),
            flight: Vec::new(),
            sent: 0,
            sides: 0,
            seen: Vec::new(),
            next_me: schedule.replicas,
            time: 1_000,
            counts: Counts::default(),
            trace: traced.then(|| Trace::new(schedule.replicas)),
        }
    }

    /// One step, if it can be done now.
    pub(super) fn step(&mut self, step: &Step) -> Checked {
        self.time += 1;
        match *step {
            Step::Edit { at, bytes } if self.is_here(at) => self.edit(at, bytes)?,
            Step::Sync { from, to, form } if self.joined(from, to) => self.sync(from, to, form)?,
            Step::Send { from, to, form } if self.joined(from, to) => self.send(from, to, form)?,
            Step::Deliver { pick, again } if !self.flight.is_empty() => {
                let pick = usize::from(pick) % self.flight.len();
                if !self.deliver(pick, again)? {
                    return Ok(());
                }
            }
            Step::Lose { pick } if !self.flight.is_empty() => {
                let message = self.flight.remove(usize::from(pick) % self.flight.len());
                self.mark(|_| Mark::Lost { from: message.from, to: message.to, number: message.number });
            }
            Step::Cut { sides } if sides != self.sides => {
                self.sides = sides;
                self.mark(|_| Mark::Cut { sides });
            }
            Step::Heal if self.sides != 0 => {
                self.sides = 0;
                self.mark(|_| Mark::Heal);
            }
            Step::Restart { at, damage } if self.is_here(at) => self.restart(at, damage)?,
            Step::Save { at } if self.is_here(at) => {
                let node = &mut self.nodes[usize::from(at)];
                node.saved = Some((node.state.clone(), node.known));
                self.mark(|_| Mark::Save { at });
            }
            Step::Rollback { at } if self.is_here(at) => self.rollback(at)?,
            Step::Copy { at, of } if at != of && self.is_here(at) && self.is_here(of) => self.copy(at, of)?,
            Step::Skew { at, ms } => {
                self.nodes[usize::from(at)].skew = i64::from(ms);
                self.mark(|_| Mark::Skew { at, ms });
            }
            Step::Join { at } if !self.is_here(at) => self.join(at)?,
            _ => return Ok(()),
        }
        self.counts.kinds[step.kind() as usize] += 1;
        Ok(())
    }

    /// The faults end; everyone exchanges with its neighbours until all know all.
    pub(super) fn settle(&mut self, form: Form) -> Checked {
        self.mark(|_| Mark::Settle);
        self.sides = 0;
        for at in 0..self.nodes.len() as u8 {
            if !self.is_here(at) {
                self.join(at)?;
            }
        }
        for _ in 0..self.nodes.len() {
            for (a, b) in self.links.clone() {
                for (from, to) in [(a, b), (b, a)] {
                    if !self.nodes[to].known.includes(&self.nodes[from].known) {
                        self.sync(from as u8, to as u8, form)?;
                    }
                }
            }
        }
        let same = self.nodes.windows(2).all(|pair| pair[0].known == pair[1].known);
        debug_assert!(same, "as many rounds as replicas bring everything everywhere");
        Ok(())
    }

    fn is_here(&self, at: u8) -> bool {
        self.nodes[usize::from(at)].here
    }

    fn joined(&self, from: u8, to: u8) -> bool {
        let side = |at: u8| self.sides >> at & 1;
        from != to && self.is_here(from) && self.is_here(to) && side(from) == side(to)
    }

    fn mark(&mut self, mark: impl FnOnce(&[Node<T>]) -> Mark) {
        if let Some(trace) = &mut self.trace {
            trace.marks.push(mark(&self.nodes));
        }
    }

    fn edit(&mut self, at: u8, bytes: [u8; 5]) -> Checked {
        if self.events.len() == Known::MAX {
            return Ok(());
        }
        let node = &mut self.nodes[usize::from(at)];
        // The clock ticks seldom: most edits that are near in time tie.
        let now = (self.time / 8 * 8).saturating_add_signed(node.skew);
        let command = node.state.command(&mut Pick::new(&bytes));
        let before = node.state.clone();
        match &self.faces.op {
            Some(op) => self.ops.push(Some((op.prepare)(&mut node.state, now, &command))),
            None => {
                node.state.edit(now, &command);
                self.ops.push(None);
            }
        }
        let (id, saw, me) = (self.events.len(), node.known, node.me);
        let causal = self.is_causal(&saw);
        let node = &mut self.nodes[usize::from(at)];
        node.known.insert(id);
        let label = self.trace.is_some().then(|| format!("{}: {command:?}", id + 1));
        self.events.push(Event { replica: at, me, now, command, id, saw, causal });
        let mut again = node.state.clone();
        again.merge(&before);
        let (view, again) = (node.state.view(), again.view());
        self.mark(|_| Mark::Edit { at, label: label.unwrap_or_default(), view: format!("{view:?}") });
        self.alike(
            Law::Inflation,
            &[at],
            [("after the edit", &view), ("with the state before it merged in", &again)],
        )?;
        self.changed(at, view)
    }

    fn sync(&mut self, from: u8, to: u8, form: Form) -> Checked {
        let (source, target) = (&self.nodes[usize::from(from)], &self.nodes[usize::from(to)]);
        let known = source.known;
        match (form, self.faces.delta, &self.faces.op) {
            (Form::Op, _, Some(_)) => {
                let lacks: Vec<usize> = known.iter().filter(|id| !target.known.contains(*id)).collect();
                for id in lacks {
                    if let Some(Some(op)) = self.ops.get(id) {
                        op.clone()(&mut self.nodes[usize::from(to)].state);
                    }
                }
            }
            (Form::Delta, Some(delta), _) => {
                let mut by_state = target.state.clone();
                by_state.merge(&source.state);
                let packet = delta(&source.state, &target.state);
                packet(&mut self.nodes[usize::from(to)].state);
                let by_delta = self.nodes[usize::from(to)].state.clone();
                let (view, other) = (by_delta.view(), by_state.view());
                let (state, delta) = ("by the whole state", "by the delta");
                let alike = self
                    .alike(Law::DeltaIsState, &[from, to], [(state, &other), (delta, &view)])
                    .and_then(|()| self.same_bytes(&[from, to], (state, &by_state), (delta, &by_delta)));
                if alike.is_err() {
                    // Shown before it is refused, so that the picture has it.
                    self.mark(|_| Mark::Sync { from, to, form, view: format!("{view:?}") });
                }
                alike?;
            }
            _ => {
                self.check_join(from, to)?;
                let source = self.nodes[usize::from(from)].state.clone();
                self.nodes[usize::from(to)].state.merge(&source);
            }
        }
        let target = &mut self.nodes[usize::from(to)];
        target.known.join(&known);
        let view = target.state.view();
        let form = self.form(form);
        self.mark(|_| Mark::Sync { from, to, form, view: format!("{view:?}") });
        self.changed(to, view)
    }

    /// The form a message really takes.
    fn form(&self, form: Form) -> Form {
        match form {
            Form::Delta if self.faces.delta.is_none() => Form::State,
            Form::Op if self.faces.op.is_none() => Form::State,
            form => form,
        }
    }

    fn send(&mut self, from: u8, to: u8, form: Form) -> Checked {
        let (source, target) = (&self.nodes[usize::from(from)], &self.nodes[usize::from(to)]);
        let form = self.form(form);
        let all = |packet| vec![(packet, source.known, Known::default())];
        let packets: Vec<(Packet<T>, Known, Known)> = match (form, self.faces.delta) {
            (Form::Op, _) => {
                let lacks = source.known.iter().filter(|id| !target.known.contains(*id));
                let one = |id: usize| {
                    let mut brings = Known::default();
                    brings.insert(id);
                    let packet = self.ops.get(id)?.clone()?;
                    Some((packet, brings, self.events.get(id)?.saw))
                };
                lacks.filter_map(one).take(4).collect()
            }
            (Form::Delta, Some(delta)) => all(delta(&source.state, &target.state)),
            _ => {
                let state = match &self.faces.codec {
                    Some(codec) => self.read(from, &(codec.write)(&source.state), source.me)?,
                    None => source.state.clone(),
                };
                all(Rc::new(move |to: &mut T| to.merge(&state)))
            }
        };
        for (packet, brings, needs) in packets {
            self.sent += 1;
            let number = self.sent;
            self.flight.push(Message { number, from, to, form, packet, brings, needs });
            self.mark(|_| Mark::Send { from, to, form, number });
        }
        Ok(())
    }

    fn read(&self, at: u8, bytes: &[u8], me: u8) -> Result<T, Box<Broken>> {
        let Some(codec) = &self.faces.codec else { return Ok(self.nodes[usize::from(at)].state.clone()) };
        (codec.read)(me, bytes).map_err(|error| {
            let sides = [("its bytes", hex(bytes)), ("the reader says", error)];
            Broken::new(Law::RoundTrip, &[at], &sides)
        })
    }

    /// Whether the message was delivered; else it stays.
    fn deliver(&mut self, pick: usize, again: bool) -> Result<bool, Box<Broken>> {
        let message = &self.flight[pick];
        let (from, to, form, number) = (message.from, message.to, message.form, message.number);
        if !self.joined(from, to) {
            return Ok(false);
        }
        let target = &mut self.nodes[usize::from(to)];
        if let (Form::Op, Some(face)) = (form, &self.faces.op) {
            let known = target.known.includes(&message.brings);
            if face.causal && !target.known.includes(&message.needs) || face.once && known {
                return Ok(false);
            }
        }
        (message.packet)(&mut target.state);
        target.known.join(&message.brings);
        if !again {
            self.flight.remove(pick);
        }
        let view = target.state.view();
        self.mark(|_| Mark::Arrive { from, to, form, number, again, view: format!("{view:?}") });
        self.changed(to, view)?;
        Ok(true)
    }

    fn restart(&mut self, at: u8, damage: [u8; 2]) -> Checked {
        self.flight.retain(|message| message.to != at);
        if let Some(codec) = &self.faces.codec {
            let node = &self.nodes[usize::from(at)];
            let (bytes, before, me) = ((codec.write)(&node.state), node.state.view(), node.me);
            let back = self.read(at, &bytes, me)?;
            let after = back.view();
            let again = (codec.write)(&back);
            self.alike(Law::RoundTrip, &[at], [("before it was written", &before), ("read back", &after)])?;
            if codec.canonical && bytes != again {
                let sides = [("its bytes", hex(&bytes)), ("written again", hex(&again))];
                return Err(Broken::new(Law::RoundTrip, &[at], &sides));
            }
            let [cut, flip] = damage;
            let _ = (codec.read)(me, &damaged(&bytes, cut, flip));
            self.nodes[usize::from(at)].state = back;
        }
        self.mark(|_| Mark::Restart { at });
        let view = self.nodes[usize::from(at)].state.view();
        self.changed(at, view)
    }

    fn rollback(&mut self, at: u8) -> Checked {
        self.flight.retain(|message| message.to != at);
        let me = self.next_me;
        self.next_me = self.next_me.wrapping_add(1);
        let node = &mut self.nodes[usize::from(at)];
        let (mut state, known) = node.saved.clone().unwrap_or_else(|| (T::new(node.me), Known::default()));
        state.reborn(me);
        (node.me, node.known, node.state) = (me, known, state);
        let view = node.state.view();
        self.mark(|_| Mark::Rollback { at, view: format!("{view:?}") });
        self.changed(at, view)
    }

    fn copy(&mut self, at: u8, of: u8) -> Checked {
        self.flight.retain(|message| message.to != at);
        let source = &self.nodes[usize::from(of)];
        let (state, known, me) = (source.state.clone(), source.known, source.me);
        let view = state.view();
        let node = &mut self.nodes[usize::from(at)];
        (node.state, node.known, node.me, node.saved) = (state, known, me, None);
        self.mark(|_| Mark::Copy { at, of });
        self.changed(at, view)
    }

    fn join(&mut self, at: u8) -> Checked {
        self.nodes[usize::from(at)].here = true;
        self.mark(|_| Mark::Join { at });
        let view = self.nodes[usize::from(at)].state.view();
        self.changed(at, view)
    }

    /// The laws of merge, on the two states that are about to meet and a third.
    fn check_join(&mut self, from: u8, to: u8) -> Checked {
        let third = (0..self.nodes.len() as u8).find(|at| *at != from && *at != to);
        let [a, b] = [to, from].map(|at| self.nodes[usize::from(at)].state.clone());
        let c = third.map(|at| self.nodes[usize::from(at)].state.clone());
        let join = |x: &T, y: &T| {
            let mut both = x.clone();
            both.merge(y);
            both
        };
        let (ab, ba) = (join(&a, &b), join(&b, &a));
        let (ab_view, at) = (ab.view(), [to, from]);
        let [la, lb] = at.map(super::law::letter);
        let (n_ab, n_ba) = (format!("{la} ⊔ {lb}"), format!("{lb} ⊔ {la}"));
        self.alike(Law::Commutative, &at, [(&n_ab, &ab_view), (&n_ba, &ba.view())])?;
        self.same_bytes(&at, (&n_ab, &ab), (&n_ba, &ba))?;
        let (n_aa, n_a) = (format!("{la} ⊔ {la}"), la.to_string());
        self.alike(Law::Idempotent, &at, [(&n_aa, &join(&a, &a).view()), (&n_a, &a.view())])?;
        let n_abb = format!("({la} ⊔ {lb}) ⊔ {lb}");
        self.alike(Law::Idempotent, &at, [(&n_ab, &ab_view), (&n_abb, &join(&ab, &b).view())])?;
        let n_aba = format!("({la} ⊔ {lb}) ⊔ {la}");
        self.alike(Law::Inflation, &at, [(&n_ab, &ab_view), (&n_aba, &join(&ab, &a).view())])?;
        if let (Some(third), Some(c)) = (third, c) {
            let lc = super::law::letter(third);
            let (left, right) = (join(&ab, &c), join(&a, &join(&b, &c)));
            let (n_left, n_right) = (format!("({la} ⊔ {lb}) ⊔ {lc}"), format!("{la} ⊔ ({lb} ⊔ {lc})"));
            let at = [to, from, third];
            self.alike(Law::Associative, &at, [(&n_left, &left.view()), (&n_right, &right.view())])?;
            self.same_bytes(&at, (&n_left, &left), (&n_right, &right))?;
        }
        Ok(())
    }

    /// What holds of one replica after every change.
    fn changed(&mut self, at: u8, view: T::View) -> Checked {
        let node = &mut self.nodes[usize::from(at)];
        node.view = view;
        self.counts.laws[Law::Invariant as usize] += 1;
        if let Err(what) = node.state.invariant() {
            let sides = [("invariant", what), ("state", format!("{:?}", node.view))];
            return Err(Broken::new(Law::Invariant, &[at], &sides));
        }
        let (known, view) = (node.known, node.view.clone());
        self.converges(at, known, &view)?;
        if let Some(spec) = self.faces.spec
            && self.is_causal(&known)
        {
            let told = spec(&History { all: &self.events, known });
            self.alike(Law::Spec, &[at], [("the specification says", &told), ("it shows", &view)])?;
        }
        Ok(())
    }

    /// Whether causes came before effects, here and wherever these edits were made. Where operations come in any
    /// order, an edit may have replaced what its author did not know yet; of that no specification speaks.
    fn is_causal(&self, known: &Known) -> bool {
        let in_order = self.faces.op.as_ref().is_none_or(|op| op.causal);
        let causal = |event: &Event<T::Command>| event.causal && known.includes(&event.saw);
        in_order || known.iter().filter_map(|id| self.events.get(id)).all(causal)
    }

    /// Who knows the same shows the same, now and earlier.
    fn converges(&mut self, at: u8, known: Known, view: &T::View) -> Checked {
        let canonical = self.faces.codec.as_ref().filter(|codec| codec.canonical);
        let bytes = canonical.map(|codec| (codec.write)(&self.nodes[usize::from(at)].state));
        let Some(seen) = self.seen.iter().find(|seen| seen.known == known) else {
            self.seen.push(Seen { known, view: view.clone(), bytes, at });
            return Ok(());
        };
        self.counts.laws[Law::Convergence as usize] += 1;
        let who = |at| format!("{} shows", super::law::letter(at));
        if seen.view != *view {
            let earlier = if seen.at == at { format!("{} earlier", who(at)) } else { who(seen.at) };
            let sides = [(&*earlier, format!("{:?}", seen.view)), (&*who(at), format!("{view:?}"))];
            return Err(Broken::new(Law::Convergence, &[seen.at, at], &sides));
        }
        self.counts.laws[Law::EqualBytes as usize] += u64::from(bytes.is_some());
        if let (Some(a), Some(b)) = (&seen.bytes, &bytes)
            && a != b
        {
            let sides = [(&*who(seen.at), hex(a)), (&*who(at), hex(b))];
            return Err(Broken::new(Law::EqualBytes, &[seen.at, at], &sides));
        }
        Ok(())
    }

    fn alike(&mut self, law: Law, at: &[u8], [a, b]: [(&str, &T::View); 2]) -> Checked {
        self.counts.laws[law as usize] += 1;
        if a.1 == b.1 {
            return Ok(());
        }
        Err(Broken::new(law, at, &[(a.0, format!("{:?}", a.1)), (b.0, format!("{:?}", b.1))]))
    }

    fn same_bytes(&mut self, at: &[u8], a: (&str, &T), b: (&str, &T)) -> Checked {
        let Some(codec) = self.faces.codec.as_ref().filter(|codec| codec.canonical) else { return Ok(()) };
        self.counts.laws[Law::EqualBytes as usize] += 1;
        let (x, y) = ((codec.write)(a.1), (codec.write)(b.1));
        if x == y {
            return Ok(());
        }
        Err(Broken::new(Law::EqualBytes, at, &[(a.0, hex(&x)), (b.0, hex(&y))]))
    }

    /// What each replica shows now, and which edits it knows.
    pub(super) fn views(&self) -> Vec<(String, Vec<usize>)> {
        self.nodes.iter().map(|node| (format!("{:?}", node.view), node.known.iter().collect())).collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// Bytes as a bad disk gives them: cut off, or one changed.
fn damaged(bytes: &[u8], cut: u8, flip: u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = usize::from(cut) % bytes.len().max(1);
    match (flip % 2, bytes.get_mut(at)) {
        (1, Some(byte)) => *byte ^= flip,
        _ => bytes.truncate(at),
    }
    bytes
}
