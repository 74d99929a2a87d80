//! What the demo does, in words: `quiet 20; replay 50; cut n1 n2; replay 50; heal; expect converged 30s`.

use std::time::Duration;

use anyhow::{Context, bail, ensure};

/// What it does when nothing else is said. The end of the trace always comes, then the check.
pub(crate) const DEFAULT: &str = "quiet 20; replay 30; cut n1 n2; replay 20; heal; replay 10; kill n3; replay 20; \
     restart n3; replay 20; expect converged 60s";

/// The commands, for `--help`.
pub(crate) const HELP: &str = "A script is commands with ; between them:\n  \
    write N1 100             a client of node n1 makes 100 edits\n  \
    quiet 20                 20 edits, one at a time, counting the content frames of each\n  \
    replay 50                type 50 percent of the trace, while others edit the form\n  \
    cut n1 n2 | heal n1 n2   cut or heal a link; heal alone heals all\n  \
    kill n3 | restart n3     SIGKILL a daemon; start it again on its data\n  \
    wait 500ms               do nothing\n  \
    expect converged 5s      fail unless all nodes agree within that time";

/// One command; nodes count from 0.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    Write { node: usize, count: usize },
    Quiet { count: usize },
    Replay { percent: f64 },
    Cut { a: usize, b: usize },
    Heal { link: Option<(usize, usize)> },
    Kill { node: usize },
    Restart { node: usize },
    Wait(Duration),
    Expect { within: Duration },
}

/// Reads a script for `nodes` nodes.
pub(crate) fn parse(script: &str, nodes: usize) -> anyhow::Result<Vec<Step>> {
    let commands = script.split(';').map(str::trim).filter(|command| !command.is_empty());
    commands
        .map(|command| step(command, nodes).with_context(|| format!("in the script at {command:?}")))
        .collect()
}

fn step(command: &str, nodes: usize) -> anyhow::Result<Step> {
    let node = |word: &str| -> anyhow::Result<usize> {
        let number = word.trim_start_matches(['n', 'N']).parse::<usize>();
        let number = number.ok().filter(|number| (1..=nodes).contains(number));
        Ok(number.with_context(|| format!("{word:?} is none of n1 to n{nodes}"))? - 1)
    };
    let count = |word: &str| word.parse::<usize>().with_context(|| format!("{word:?} is not a number"));
    let words: Vec<&str> = command.split_whitespace().collect();
    Ok(match words[..] {
        ["write", who, n] => Step::Write { node: node(who)?, count: count(n)? },
        ["quiet", n] => Step::Quiet { count: count(n)? },
        ["replay", percent] => {
            let percent: f64 = percent.trim_end_matches('%').parse().context("how many percent?")?;
            ensure!((0.0..=100.0).contains(&percent), "percent are from 0 to 100");
            Step::Replay { percent }
        }
        ["cut", a, b] => Step::Cut { a: node(a)?, b: node(b)? },
        ["heal"] => Step::Heal { link: None },
        ["heal", a, b] => Step::Heal { link: Some((node(a)?, node(b)?)) },
        ["kill", who] => Step::Kill { node: node(who)? },
        ["restart", who] => Step::Restart { node: node(who)? },
        ["wait", time] => Step::Wait(duration(time)?),
        ["expect", "converged", time] => Step::Expect { within: duration(time)? },
        _ => bail!("no such command; see demo --help"),
    })
}

fn duration(word: &str) -> anyhow::Result<Duration> {
    let (number, unit) = match word.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (word.strip_suffix('s').context("a time is like 500ms or 2s")?, 1.0),
    };
    let number: f64 = number.parse().with_context(|| format!("{word:?} is not a time"))?;
    Duration::try_from_secs_f64(number * unit).with_context(|| format!("{word:?} is not a time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_read() {
        assert_eq!(parse(DEFAULT, 5).unwrap().len(), 11);
        let steps = parse("write n1 100; cut n1 n2; heal; wait 500ms; expect converged 2s", 3).unwrap();
        assert_eq!(steps[0], Step::Write { node: 0, count: 100 });
        assert_eq!(steps[3], Step::Wait(Duration::from_millis(500)));
        assert_eq!(steps[4], Step::Expect { within: Duration::from_secs(2) });
    }

    #[test]
    fn errors_point_at_the_word() {
        let error = |script| format!("{:#}", parse(script, 3).unwrap_err());
        assert!(error("cut n1 n9").contains("\"n9\" is none of n1 to n3"));
        assert!(error("wait 5").contains("a time is like"));
        assert!(error("dance").contains("no such command"));
    }
}
