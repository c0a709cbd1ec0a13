//! Takes the planned steps, as many at once as the graph and the options allow, until nothing is left to do.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jeroboam_driver::graph::Graph;
use jeroboam_driver::{Key, Made, Resource};
use jeroboam_plan::{Entry, Goal, Phase, Step, Verdict, ledger, plan};
use jeroboam_store::{LedgerChange, StoreError, Work};
use jeroboam_types::{Fault, Millis};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::context::Context;
use crate::fault::{StepError, backoff, look_again};
use crate::reconcile::overdue;
use crate::resource::{self, Look, Seen};

/// Waits shorter than this are slept through; for longer ones the claim is given back.
const HOLD: Duration = Duration::from_secs(1);

/// A resource that turned out broken (a server in ERROR) is made anew this many times.
const REBUILDS: u32 = 2;

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

/// What a step left behind: the entry as it is in the ledger now, or `None` if it was removed.
struct Taken {
    key: Key,
    entry: Option<Entry>,
    generation: i64,
}

type Running<'a> = FuturesUnordered<Pin<Box<dyn Future<Output = Result<Taken, StoreError>> + Send + 'a>>>;

/// Takes steps until the goal is reached or nothing more can be done now.
pub(crate) async fn execute(
    context: &Context<'_>,
    goal: &Goal,
    work: &mut Work,
    lost: &CancellationToken,
) -> Result<Ending, StoreError> {
    let mut running: Running<'_> = FuturesUnordered::new();
    let mut busy = BTreeSet::new();
    let mut stopping: Option<Ending> = None;
    loop {
        let now = context.now();
        if stopping.is_none() && lost.is_cancelled() {
            stopping = Some(Ending::Stopped);
        }
        if stopping.is_none() && now >= work.deadline {
            stopping = Some(Ending::Failed(Vec::new()));
        }
        let mut wake = work.deadline;
        if stopping.is_none() {
            let plan = plan(goal, &work.ledger, &busy, now);
            let made = std::sync::Arc::new(ledger::made(&work.ledger));
            let free = context
                .engine
                .options
                .steps_per_cluster
                .saturating_sub(busy.len());
            for step in plan.steps.into_iter().take(free) {
                let key = step.key().clone();
                let entry = work.ledger.get(&key).cloned();
                busy.insert(key);
                running.push(Box::pin(take(
                    context,
                    goal,
                    step,
                    entry,
                    std::sync::Arc::clone(&made),
                )));
            }
            wake = plan.wake.map_or(wake, |at| at.min(wake));
            if running.is_empty() {
                match plan.verdict {
                    Verdict::Settled => return Ok(Ending::Settled),
                    Verdict::Failed(faults) => return Ok(Ending::Failed(faults)),
                    Verdict::Working if wake.since(now) > HOLD => return Ok(Ending::Pause(wake)),
                    Verdict::Working => {
                        tokio::select! {
                            () = lost.cancelled() => {}
                            () = context.watch.wait(tokio::time::sleep(wake.since(now))) => {}
                        }
                        if context.write(&[]).await? != work.generation {
                            return Ok(Ending::Superseded);
                        }
                        continue;
                    }
                }
            }
        }
        if running.is_empty() {
            return Ok(match stopping {
                Some(Ending::Failed(_)) => Ending::Failed(vec![overdue(work)]),
                Some(ending) => ending,
                None => Ending::Stopped,
            });
        }
        // Other waits may come due while a long step is under way.
        let nap = if stopping.is_some() {
            Duration::from_secs(3_600)
        } else {
            wake.since(now)
        };
        let done = tokio::select! {
            done = running.next() => done,
            () = tokio::time::sleep(nap.max(Duration::from_millis(1))) => None,
        };
        if let Some(done) = done {
            let taken = done?;
            busy.remove(&taken.key);
            if taken.generation != work.generation {
                stopping.get_or_insert(Ending::Superseded);
            }
            match taken.entry {
                Some(entry) => drop(work.ledger.insert(taken.key, entry)),
                None => drop(work.ledger.remove(&taken.key)),
            }
        }
    }
}

async fn take(
    context: &Context<'_>,
    goal: &Goal,
    step: Step,
    entry: Option<Entry>,
    made: std::sync::Arc<Made>,
) -> Result<Taken, StoreError> {
    let hand = Hand {
        context,
        made: &made,
        wanted: wanted(goal, step.key()),
    };
    let key = step.key().clone();
    debug!(step = ?step, "step");
    match (step, entry) {
        (Step::Make(_), entry) => hand.make(key, entry).await,
        (Step::Await(_), Some(entry)) => hand.look(entry).await,
        (Step::GiveUp(_), Some(entry)) => hand.give_up(entry).await,
        (Step::Drop(_), Some(entry)) => hand.drop(entry).await,
        (_, None) => Ok(Taken {
            key,
            entry: None,
            generation: context.write(&[]).await?,
        }),
    }
}

fn wanted<'a>(goal: &'a Goal, key: &Key) -> Option<&'a Resource> {
    let find = |graph: &'a Graph| graph.find(key);
    match goal {
        Goal::Present(graph) => find(graph),
        Goal::Absent => None,
    }
}

/// Takes one step.
struct Hand<'a> {
    context: &'a Context<'a>,
    made: &'a Made,
    /// The resource in the goal, if it should be there.
    wanted: Option<&'a Resource>,
}

impl Hand<'_> {
    async fn make(&self, key: Key, entry: Option<Entry>) -> Result<Taken, StoreError> {
        let mut entry = match (entry, self.wanted) {
            (Some(entry), _) => entry,
            (None, Some(resource)) => self.intend(resource),
            (None, None) => return self.removed(key).await,
        };
        if entry.uncertain {
            match self.wait(resource::find(self.context, &entry, self.made)).await {
                Ok(found) if !found.is_empty() => return self.adopt(entry, found).await,
                // The call may still be at work on the other side: sent again too early, it would make two.
                Ok(_) if self.context.now() < entry.tried.plus(self.context.engine.options.settle_time) => {
                    entry.next_check = self.context.now().plus(Duration::from_millis(500));
                    return self.put(entry).await;
                }
                Ok(_) => entry.maybe_twice = true,
                Err(error) => return self.retry(entry, error).await,
            }
        }
        entry.uncertain = true;
        entry.tried = self.context.now();
        self.context.write(&[LedgerChange::Put(entry.clone())]).await?;
        match self.wait(resource::create(self.context, &entry, self.made)).await {
            Ok(seen) => self.adopt(entry, vec![seen]).await,
            Err(error) => {
                entry.uncertain = error.may_have_happened();
                self.retry(entry, error).await
            }
        }
    }

    fn intend(&self, resource: &Resource) -> Entry {
        let now = self.context.now();
        let name = self
            .context
            .ask
            .as_ref()
            .map(|ask| ask.cloud_name(&resource.key))
            .unwrap_or_default();
        Entry {
            key: resource.key.clone(),
            name,
            needs: resource.needs.clone(),
            group: resource.group.clone(),
            spec: resource.spec.clone(),
            phase: Phase::Intended,
            id: None,
            facts: Default::default(),
            attempts: 0,
            next_check: now,
            give_up_at: now.plus(self.context.engine.options.budgets.of(&resource.spec)),
            started: now,
            finished: None,
            seen: None,
            fault: None,
            tried: now,
            uncertain: false,
            maybe_twice: false,
            drop_failed: false,
        }
    }

    /// Takes what was made, or found, as the resource. More than one found: the first stays, the others go.
    async fn adopt(&self, mut entry: Entry, found: Vec<Seen>) -> Result<Taken, StoreError> {
        entry.maybe_twice |= found.len() > 1;
        let Some(first) = found.into_iter().next() else {
            return self.put(entry).await;
        };
        entry.uncertain = false;
        entry.id = Some(first.id);
        entry.phase = Phase::Made;
        entry.seen = None;
        self.note(entry, first.look).await
    }

    async fn look(&self, mut entry: Entry) -> Result<Taken, StoreError> {
        match self.wait(resource::look(self.context, &entry, self.made)).await {
            Ok(Some(look)) => self.note(entry, look).await,
            Ok(None) => {
                entry.phase = Phase::Intended;
                entry.id = None;
                entry.uncertain = false;
                let message = "it vanished while it was being built".to_owned();
                self.retry(entry, StepError::Again(message)).await
            }
            Err(error) => self.retry(entry, error).await,
        }
    }

    async fn note(&self, mut entry: Entry, look: Look) -> Result<Taken, StoreError> {
        let now = self.context.now();
        match look {
            Look::Ready(facts) => {
                if entry.maybe_twice {
                    if let Err(error) = self
                        .wait(resource::drop_extras(self.context, &entry, self.made))
                        .await
                    {
                        return self.retry(entry, error).await;
                    }
                    entry.maybe_twice = false;
                }
                entry.facts = facts;
                entry.phase = Phase::Ready;
                entry.finished = Some(now);
                entry.seen = None;
                entry.fault = None;
                let elapsed_ms = now.since(entry.started).as_millis() as u64;
                info!(resource = %entry.key, elapsed_ms, "resource ready");
                self.put(entry).await
            }
            Look::Pending(seen) => {
                entry.next_check = now.plus(look_again(now.since(entry.started)));
                let news = entry.seen.as_ref() != Some(&seen) || entry.fault.is_some() || entry.uncertain;
                entry.seen = Some(seen);
                entry.fault = None;
                // Only news is worth a write: after a restart the resource is looked at anyway.
                if news {
                    self.put(entry).await
                } else {
                    self.kept(entry).await
                }
            }
            Look::Broken(fault) => {
                let again = entry.attempts < REBUILDS && fault.1;
                info!(resource = %entry.key, fault = fault.0.message, again, "resource broken");
                entry.fault = Some(fault.0);
                entry.attempts += 1;
                entry.phase = if again { Phase::Dropping } else { Phase::Failed };
                entry.next_check = now;
                self.put(entry).await
            }
        }
    }

    async fn drop(&self, mut entry: Entry) -> Result<Taken, StoreError> {
        if entry.phase != Phase::Dropping {
            let now = self.context.now();
            entry.phase = Phase::Dropping;
            entry.attempts = 0;
            entry.started = now;
            entry.finished = None;
            entry.seen = None;
            entry.give_up_at = now.plus(self.context.engine.options.budgets.of(&entry.spec));
            self.context.write(&[LedgerChange::Put(entry.clone())]).await?;
        }
        match self.wait(resource::drop(self.context, &entry, self.made)).await {
            Ok(true) => self.dropped(entry).await,
            Ok(false) => {
                let now = self.context.now();
                entry.next_check = now.plus(look_again(now.since(entry.started)));
                self.kept(entry).await
            }
            Err(error) => self.retry_drop(entry, error).await,
        }
    }

    /// Gone; one that should be there is made anew.
    async fn dropped(&self, mut entry: Entry) -> Result<Taken, StoreError> {
        if self.wanted.is_none() {
            debug!(resource = %entry.key, "resource gone");
            return self.removed(entry.key).await;
        }
        entry.phase = Phase::Intended;
        entry.id = None;
        entry.uncertain = false;
        entry.maybe_twice = false;
        entry.facts = Default::default();
        entry.next_check = self.context.now().plus(backoff(entry.attempts, None));
        self.put(entry).await
    }

    async fn give_up(&self, mut entry: Entry) -> Result<Taken, StoreError> {
        let waited = self.context.now().since(entry.started).as_secs();
        let (verb, drop_failed) = if entry.phase == Phase::Dropping {
            ("gone", true)
        } else {
            ("ready", false)
        };
        let seen = entry
            .seen
            .as_ref()
            .map(|seen| format!("; it is {seen}"))
            .unwrap_or_default();
        let mut fault = entry.fault.take().unwrap_or_else(|| Fault {
            resource: entry.key.to_string(),
            service: resource::service(&entry.spec).to_owned(),
            message: String::new(),
            request_id: None,
        });
        let cause = if fault.message.is_empty() {
            String::new()
        } else {
            format!(": {}", fault.message)
        };
        fault.message = format!("not {verb} after {waited} s{seen}{cause}");
        entry.fault = Some(fault);
        entry.phase = Phase::Failed;
        entry.drop_failed = drop_failed;
        self.put(entry).await
    }

    async fn retry(&self, mut entry: Entry, error: StepError) -> Result<Taken, StoreError> {
        if let StepError::Store(error) = error {
            return Err(error);
        }
        entry.attempts += 1;
        entry.fault = Some(error.fault(&entry.key));
        let is_last = entry.attempts > self.context.engine.options.retry_limit;
        if is_last || !error.is_transient() {
            info!(resource = %entry.key, fault = %error.fault(&entry.key), "resource failed");
            entry.phase = Phase::Failed;
        } else {
            let pause = backoff(entry.attempts, error.retry_after());
            debug!(resource = %entry.key, fault = %error.fault(&entry.key), "trying again");
            entry.next_check = self.context.now().plus(pause);
        }
        self.put(entry).await
    }

    /// A drop is tried until its budget is used up, whatever the error: what is left behind costs money.
    async fn retry_drop(&self, mut entry: Entry, error: StepError) -> Result<Taken, StoreError> {
        if let StepError::Store(error) = error {
            return Err(error);
        }
        entry.attempts += 1;
        entry.fault = Some(error.fault(&entry.key));
        debug!(resource = %entry.key, fault = %error.fault(&entry.key), "trying the drop again");
        entry.next_check = self
            .context
            .now()
            .plus(backoff(entry.attempts, error.retry_after()));
        self.put(entry).await
    }

    async fn wait<F: Future>(&self, call: F) -> F::Output {
        self.context.watch.wait(call).await
    }

    async fn put(&self, entry: Entry) -> Result<Taken, StoreError> {
        let generation = self.context.write(&[LedgerChange::Put(entry.clone())]).await?;
        Ok(Taken {
            key: entry.key.clone(),
            entry: Some(entry),
            generation,
        })
    }

    /// Nothing worth writing: only this process needs to know.
    async fn kept(&self, entry: Entry) -> Result<Taken, StoreError> {
        let generation = self.context.write(&[]).await?;
        Ok(Taken {
            key: entry.key.clone(),
            entry: Some(entry),
            generation,
        })
    }

    async fn removed(&self, key: Key) -> Result<Taken, StoreError> {
        let generation = self.context.write(&[LedgerChange::Remove(key.clone())]).await?;
        Ok(Taken {
            key,
            entry: None,
            generation,
        })
    }
}
