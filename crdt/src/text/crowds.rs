//! Where an insertion goes among very many that were made at the same place concurrently.
//!
//! Which of two characters stands first is decided by the tree alone, so a place between the neighbours of the new one is
//! found as in a sorted list: by halves. Of the character in the middle one asks on which child of the neighbour it hangs
//! ([`Ancestors`]), and whether that stands before the new one. So a place costs `O(log² n)`, whatever is between: one
//! insertion with a thousand others below it, a thousand beside each other, or a chain of a thousand each below the last.

use super::ancestors::Ancestors;
use super::chunk::{Id, small};
use super::core::Core;
use super::sequence::Place;

/// Whoever has passed so many runs looks for its place by halves: it costs as much as that.
pub(super) const MANY: usize = small(32, 1);

impl Core {
    /// Where a right child of `left` goes, from a place on before which it does not.
    pub(super) fn among_many_right(
        &mut self,
        from: Place,
        first: Id,
        left: Option<Id>,
        right: Option<Id>,
    ) -> Place {
        let to = right.and_then(|right| self.sequence.find(right));
        self.by_halves(from, to, left, |core, ancestors, neighbour, other| {
            // Who is on no child stands behind all that are.
            let child = core.right_child_above(ancestors, neighbour, left, other);
            child.is_some_and(|child| core.stands_before(child, first, right))
        })
    }

    /// Where a left child of `right` goes, up to a place behind which it does not.
    pub(super) fn among_many_left(
        &mut self,
        from: Place,
        to: Place,
        first: Id,
        left: Option<Id>,
        right: Id,
    ) -> Place {
        self.by_halves(from, Some(to), Some(right), |core, ancestors, neighbour, other| {
            // Who is on no child stands before all that are.
            let child = core.left_child_above(ancestors, neighbour, [left, Some(right)], other);
            child.is_none_or(|child| core.dot(child) < core.dot(first))
        })
    }

    /// The place behind all that stand before the new one. `before` is told the insertion of the neighbour on which it hangs.
    fn by_halves(
        &mut self,
        from: Place,
        to: Option<Place>,
        neighbour: Option<Id>,
        before: impl Fn(&Core, &mut Ancestors, Option<u32>, Id) -> bool,
    ) -> Place {
        let mut ancestors = std::mem::take(&mut self.ancestors);
        let neighbour = neighbour.and_then(|id| ancestors.node(self, id));
        let place = self.sequence.partition(from, to, |other| {
            self.count_step();
            before(self, &mut ancestors, neighbour, other)
        });
        self.ancestors = ancestors;
        place
    }

    /// The right child of `left`, in its insertion `above`, on which a character behind it hangs, if it does.
    fn right_child_above(
        &self,
        ancestors: &mut Ancestors,
        above: Option<u32>,
        left: Option<Id>,
        id: Id,
    ) -> Option<Id> {
        let node = ancestors.node(self, id)?;
        // Of those in one insertion the next is the child, whatever hangs on it.
        let next = |behind: Id| left.filter(|left| *left < behind).map(|left| left.plus(1));
        let Some(above) = above else {
            let child = ancestors.first(ancestors.at_depth(node, 1, self)?);
            return (self.log.origins(child).0 == left).then_some(child);
        };
        if node == above {
            return next(id);
        }
        let child = ancestors.first(ancestors.at_depth(node, ancestors.depth(above) + 1, self)?);
        let parent = self.parent(child)?;
        match ancestors.node(self, parent) == Some(above) {
            true if Some(parent) == left => Some(child),
            true => next(parent),
            false => None,
        }
    }

    /// The left child of a character, in its insertion `above`, on which a character before it hangs, if it does; the
    /// neighbours are those of all its left children.
    fn left_child_above(
        &self,
        ancestors: &mut Ancestors,
        above: Option<u32>,
        neighbours: [Option<Id>; 2],
        id: Id,
    ) -> Option<Id> {
        let node = ancestors.node(self, id)?;
        let depth = above.map_or(0, |above| ancestors.depth(above));
        let child = ancestors.first(ancestors.at_depth(node, depth + 1, self)?);
        (<[_; 2]>::from(self.log.origins(child)) == neighbours).then_some(child)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Dot, ReplicaId};
    use crate::text::op::Op;

    type Written = (Dot, Op<'static>);

    fn dot(replica: usize, seq: usize) -> Dot {
        Dot::new(ReplicaId::from_u128(replica as u128), seq as u64)
    }

    fn insert(at: Dot, left: Dot, right: Dot) -> Written {
        (at, Op::Insert { left: Some(left), right: Some(right), text: "x", len: 1 })
    }

    /// Two characters; what others write between them is a left child of the second, or a right child of the first.
    fn brackets(is_left_child: bool) -> ([Dot; 2], Vec<Written>) {
        let [one, other] = [1, 2].map(|seq| dot(usize::MAX, seq));
        let alone = |at, left, right| (at, Op::Insert { left, right, text: "x", len: 1 });
        match is_left_child {
            true => ([one, other], vec![alone(one, None, None), alone(other, Some(one), None)]),
            false => ([other, one], vec![alone(one, None, None), alone(other, None, Some(one))]),
        }
    }

    /// The replicas that write after the first ones, `n` of them: all after those in the order of replicas, or all before.
    const FIRST: usize = 1 << 40;

    fn late(n: usize, are_after: bool) -> impl Fn(usize) -> Dot {
        move |i| dot(if are_after { FIRST + 10 + i } else { FIRST - n + i }, 1)
    }

    /// One writes here and there within what he inserted; each of the others at the place of that, whoever comes first.
    fn beside_a_subtree(n: usize, is_left_child: bool, are_after: bool, descend: bool) -> Vec<Written> {
        let ([left, right], mut all) = brackets(is_left_child);
        let mut core = Core::default();
        all.iter().for_each(|(at, op)| core.apply(*at, *op, None).unwrap());
        let mut random = 1_u64;
        for seq in 1..=n {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let pos = 1 + (random >> 33) as usize % seq;
            let (_, left, right) = core.sequence.gap(pos);
            let [left, right] = [left, right].map(|id| core.dot(id.unwrap()));
            let written = insert(dot(FIRST, seq), left, right);
            core.apply(written.0, written.1, None).unwrap();
            all.push(written);
        }
        let name = late(n, are_after);
        all.extend((0..n).map(|i| insert(name(if descend { n - 1 - i } else { i }), left, right)));
        all
    }

    /// Each inserts beside what was inserted last, by turns on the sides that are named; then those who saw only some of that
    /// do so too, who saw most first. `authors` take turns: with one, many are one insertion.
    fn beside_a_chain(
        n: usize,
        sides: &str,
        authors: usize,
        is_left_child: bool,
        are_after: bool,
    ) -> Vec<Written> {
        let ([mut left, mut right], mut all) = brackets(is_left_child);
        let (mut places, name) = (Vec::new(), late(n, are_after));
        for (i, side) in (0..n).zip(sides.chars().cycle()) {
            places.push((left, right));
            let at = dot(FIRST + i % authors, 1 + i / authors);
            all.push(insert(at, left, right));
            *(if side == '>' { &mut left } else { &mut right }) = at;
        }
        let beside = places.into_iter().enumerate().rev();
        all.extend(beside.map(|(i, (left, right))| insert(name(i), left, right)));
        all
    }

    fn steps(written: &[Written]) -> u64 {
        let mut core = Core::default();
        written.iter().for_each(|(at, op)| core.apply(*at, *op, None).unwrap());
        core.steps.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// One with a large subtree was passed anew by each who stood behind it but before all who had passed it; so was a
    /// chain, by those who had seen only some of it. Eight thousand took seconds, and four times as many sixteen times that.
    #[test]
    fn what_a_place_costs_hardly_grows_with_what_is_beside_it() {
        let mut shapes: Vec<(String, [Vec<Written>; 2])> = Vec::new();
        let sizes = [500, 2_000];
        for (is_left_child, are_after) in [(false, false), (false, true), (true, false), (true, true)] {
            for descend in [false, true] {
                let make = |n| beside_a_subtree(n, is_left_child, are_after, descend);
                shapes.push((format!("subtree {is_left_child} {are_after} {descend}"), sizes.map(make)));
            }
            for (sides, authors) in [(">", 1), (">", 2), ("<", 1), ("<>", 1), (">><<", 3)] {
                let make = |n| beside_a_chain(n, sides, authors, is_left_child, are_after);
                shapes
                    .push((format!("chain {sides} {authors} {is_left_child} {are_after}"), sizes.map(make)));
            }
        }
        for (name, [few, many]) in shapes {
            let [few, many] = [steps(&few), steps(&many)];
            // By squares it would be sixteen times as many.
            assert!(many < 7 * few.max(1_000), "{name}: {few} steps, and for four times as many {many}");
        }
    }

    proptest::proptest! {
        /// Neighbours that nobody ever saw beside each other, in no order: some place is found, and all characters are there.
        #[test]
        fn forged_neighbours_end_somewhere(
            forged in proptest::collection::vec((0_usize..4, 1_u64..4, 0_usize..200, 0_usize..200), 1..120),
        ) {
            let (mut core, mut dots, mut ends) = (Core::default(), Vec::new(), [0; 4]);
            for (author, len, left, right) in forged {
                let at = dot(author, ends[author] + 1);
                ends[author] += len as usize;
                let [left, right] = [left, right].map(|n| dots.get(n % (dots.len() + 1)).copied());
                let text = &"xyz"[..len as usize];
                core.apply(at, Op::Insert { left, right, text, len }, None).unwrap();
                dots.extend((0..len as usize).map(|n| dot(author, at.seq as usize + n)));
            }
            let there = dots.iter().filter(|at| {
                    let id = core.id(**at);
                    core.sequence.find(id).is_some()
                });
            proptest::prop_assert_eq!(there.count(), dots.len());
        }
    }
}
