//! Takes the planned steps, as many at once as the graph and the options allow, until nothing is left to do.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jeroboam_driver::Key;
use jeroboam_plan::{Goal, Step, Verdict, ledger, plan};
use jeroboam_store::{StoreError, Work};
use jeroboam_types::{Fault, Millis};
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::hand::{Hand, Taken};
use crate::reconcile::overdue;

/// Waits shorter than this are slept through; for longer ones the claim is given back.
const HOLD: Duration = Duration::from_secs(1);

/// Why the executor stopped.
#[derive(Debug)]
pub(crate) enum Ending {
    /// What is asked is there.
    Settled,
    /// It cannot be done.
    Failed(Vec<Fault>),
    /// Nothing to do before that moment.
    Pause(Millis),
    /// Something else is asked now.
    Superseded,
    /// The process stops, or the lease is lost.
    Stopped,
}

type Running<'a> = FuturesUnordered<Pin<Box<dyn Future<Output = Result<Taken, StoreError>> + Send + 'a>>>;

/// Takes steps until the goal is reached or nothing more can be done now.
pub(crate) async fn execute(
    context: &Context<'_>,
    goal: &Goal,
    work: &mut Work,
    lost: &CancellationToken,
) -> Result<Ending, StoreError> {
    let mut execution = Execution {
        context,
        goal,
        lost,
        running: Running::new(),
        busy: BTreeSet::new(),
    };
    loop {
        let now = context.now();
        if lost.is_cancelled() {
            return execution.finish(work).await.map(|()| Ending::Stopped);
        }
        if now >= work.deadline {
            execution.finish(work).await?;
            return Ok(Ending::Failed(vec![overdue(work)]));
        }
        let plan = plan(goal, &work.ledger, &execution.busy, now);
        execution.start(plan.steps, work);
        let wake = plan.wake.map_or(work.deadline, |at| at.min(work.deadline));
        if execution.running.is_empty() {
            match plan.verdict {
                Verdict::Settled => return Ok(Ending::Settled),
                Verdict::Failed(faults) => return Ok(Ending::Failed(faults)),
                Verdict::Working if wake.since(now) > HOLD => return Ok(Ending::Pause(wake)),
                Verdict::Working => context.watch.wait(sleep(wake.since(now), lost)).await,
            }
            if context.write(&[]).await? != work.generation {
                return Ok(Ending::Superseded);
            }
        } else if execution.next(work, wake.since(now)).await? != work.generation {
            return execution.finish(work).await.map(|()| Ending::Superseded);
        }
    }
}

async fn sleep(pause: Duration, lost: &CancellationToken) {
    tokio::select! {
        () = lost.cancelled() => {}
        () = tokio::time::sleep(pause) => {}
    }
}

/// The steps under way.
struct Execution<'a> {
    context: &'a Context<'a>,
    goal: &'a Goal,
    lost: &'a CancellationToken,
    running: Running<'a>,
    /// Resources with a step under way.
    busy: BTreeSet<Key>,
}

impl Execution<'_> {
    fn start(&mut self, steps: Vec<Step>, work: &Work) {
        let limit = self.context.engine.options.steps_per_cluster.max(1);
        let free = limit.saturating_sub(self.busy.len());
        if steps.is_empty() || free == 0 {
            return;
        }
        let made = Arc::new(ledger::made(&work.ledger));
        for step in steps.into_iter().take(free) {
            let entry = work.ledger.get(step.key()).cloned();
            self.busy.insert(step.key().clone());
            let hand = Hand {
                context: self.context,
                made: Arc::clone(&made),
                wanted: self.goal.find(step.key()),
                generation: work.generation,
                lost: self.lost,
            };
            self.running.push(Box::pin(hand.take(step, entry)));
        }
    }

    /// Waits for the end of a step, or until other waits come due; gives the generation that is asked for now.
    async fn next(&mut self, work: &mut Work, longest: Duration) -> Result<i64, StoreError> {
        let ended = tokio::time::timeout(longest.max(Duration::from_millis(1)), self.running.next()).await;
        let Ok(Some(taken)) = ended else {
            return Ok(work.generation);
        };
        let Taken {
            key,
            entry,
            generation,
        } = taken?;
        self.busy.remove(&key);
        match entry {
            Some(entry) => drop(work.ledger.insert(key, entry)),
            None => drop(work.ledger.remove(&key)),
        }
        Ok(generation)
    }

    /// Lets the steps under way end. One that takes longer than its calls may is cut off: what it was about to
    /// do stands in the ledger, as uncertain.
    async fn finish(mut self, work: &mut Work) -> Result<(), StoreError> {
        let limit = self.context.engine.options.call_timeout * 2;
        let all = async {
            while !self.running.is_empty() {
                self.next(work, limit).await?;
            }
            Ok(())
        };
        tokio::time::timeout(limit, all).await.unwrap_or(Ok(()))
    }
}
