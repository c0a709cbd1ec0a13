//! One step: the intent into the ledger, the call, the outcome into the ledger.

use std::sync::Arc;
use std::time::Duration;

use jeroboam_driver::{Key, Made, Resource, Spec};
use jeroboam_plan::{Entry, Phase, Step};
use jeroboam_store::{LedgerChange, StoreError};
use jeroboam_types::{Fault, Millis};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::context::Context;
use crate::fault::{StepError, backoff, look_again};
use crate::resource::{self, Look, Seen};

/// Fact of a resource that is stuck: since when, in milliseconds.
const STUCK_SINCE: &str = "stuck_since";

/// How long something may be stuck before it is given up; less where its budget is small.
const STUCK_LIMIT: Duration = Duration::from_secs(60);

/// What a step left behind: the entry as it is in the ledger now, or `None` if it was removed.
pub(crate) struct Taken {
    pub key: Key,
    pub entry: Option<Entry>,
    /// Generation that is asked for now.
    pub generation: i64,
}

/// Takes one step.
pub(crate) struct Hand<'a> {
    pub context: &'a Context<'a>,
    /// Everything that is ready.
    pub made: Arc<Made>,
    /// The resource in the goal, if it should be there.
    pub wanted: Option<&'a Resource>,
    /// Generation that the step was planned for.
    pub generation: i64,
    /// Cancelled when the claim is lost or the process stops.
    pub lost: &'a CancellationToken,
}

impl Hand<'_> {
    pub(crate) async fn take(self, step: Step, entry: Option<Entry>) -> Result<Taken, StoreError> {
        debug!(step = ?step, "step");
        let key = step.key().clone();
        let entry = match entry {
            Some(entry) => Some(self.within_budget(entry).await?),
            None => None,
        };
        match (step, entry) {
            (Step::Make(_), entry) => self.make(key, entry).await,
            (Step::Await(_), Some(entry)) => self.look(entry).await,
            (Step::GiveUp(_), Some(entry)) => self.give_up(entry).await,
            (Step::Drop(_), Some(entry)) => self.drop(entry).await,
            (_, None) => self.removed(key).await,
        }
    }

    /// What is tried again with a new wish has the time of that: no more of it than of any first try.
    async fn within_budget(&self, mut entry: Entry) -> Result<Entry, StoreError> {
        let options = &self.context.engine.options;
        let latest = self.context.now().plus(options.budgets.of(&entry.spec));
        let is_bounded = matches!(entry.phase, Phase::Intended | Phase::Made | Phase::Dropping);
        if is_bounded && entry.give_up_at > latest {
            entry.give_up_at = latest;
            self.put(entry.clone()).await?;
        }
        Ok(entry)
    }

    async fn make(&self, key: Key, entry: Option<Entry>) -> Result<Taken, StoreError> {
        let mut entry = match (entry, self.wanted) {
            (Some(entry), _) => entry,
            (None, Some(resource)) => self.intend(resource),
            (None, None) => return self.removed(key).await,
        };
        if entry.uncertain && resource::is_remote(&entry.spec) {
            match self.wait(resource::find(self.context, &entry, &self.made)).await {
                Ok(found) if !found.is_empty() => return self.adopt(entry, found).await,
                // The call may still be at work on the other side: sent again too early, it would make two.
                Ok(_) if self.may_still_happen(&entry) => {
                    entry.next_check = self.context.now().plus(Duration::from_millis(500));
                    return self.put(entry).await;
                }
                Ok(_) => entry.maybe_twice = true,
                Err(error) => return self.retry(entry, error).await,
            }
        }
        entry.uncertain = true;
        entry.tried = self.context.now();
        let intent = self.put(entry.clone()).await?;
        if intent.generation != self.generation || self.lost.is_cancelled() {
            entry.uncertain = entry.maybe_twice;
            return self.put(entry).await;
        }
        let created = resource::create(self.context, &entry, &self.made);
        // Keys are made by this process: that is work, and no wait.
        let created = match entry.spec {
            Spec::Certificates => created.await,
            _ => self.wait(created).await,
        };
        match created {
            Ok(seen) => self.adopt(entry, vec![seen]).await,
            Err(error) => {
                // From now on, not from when it was sent: a call that timed out may be as late as that.
                entry.tried = self.context.now();
                entry.uncertain = error.may_have_happened() || entry.maybe_twice;
                self.retry(entry, error).await
            }
        }
    }

    /// True as long as the outcome of the entry's last call may still be hidden.
    fn may_still_happen(&self, entry: &Entry) -> bool {
        self.context.now() < entry.tried.plus(self.context.engine.options.settle_time)
    }

    fn intend(&self, resource: &Resource) -> Entry {
        let now = self.context.now();
        let ask = self.context.ask.as_ref();
        Entry {
            key: resource.key.clone(),
            name: ask.map(|ask| ask.cloud_name(&resource.key)).unwrap_or_default(),
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
        match self.wait(resource::look(self.context, &entry, &self.made)).await {
            Ok(Some(look)) => self.note(entry, look).await,
            Ok(None) => {
                entry.phase = Phase::Intended;
                entry.id = None;
                entry.uncertain = false;
                let message = "it vanished while it was being built".to_owned();
                self.retry(entry, StepError::Again(message)).await
            }
            // A look that fails says nothing of the resource: it is bounded by the budget, not by a count.
            Err(error) if error.is_transient() => {
                let now = self.context.now();
                let pause = look_again(now.since(entry.started)).max(backoff(1, error.retry_after()));
                self.repair(&error).await?;
                entry.fault = Some(error.fault(&entry.key));
                entry.next_check = now.plus(pause);
                self.put(entry).await
            }
            Err(error) => self.retry(entry, error).await,
        }
    }

    async fn note(&self, mut entry: Entry, look: Look) -> Result<Taken, StoreError> {
        let now = self.context.now();
        match look {
            Look::Ready(facts) => {
                if entry.maybe_twice {
                    let extras = resource::drop_extras(self.context, &entry, &self.made);
                    if let Err(error) = self.wait(extras).await {
                        return self.retry(entry, error).await;
                    }
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
                let was_stuck = entry.facts.remove(STUCK_SINCE).is_some();
                let news = entry.seen.as_ref() != Some(&seen) || entry.fault.is_some() || was_stuck;
                entry.seen = Some(seen);
                entry.fault = None;
                // Only news is worth a write: after a restart the resource is looked at anyway.
                if news {
                    self.put(entry).await
                } else {
                    self.kept(entry).await
                }
            }
            Look::Stuck(cause) => self.stuck(entry, cause).await,
            Look::Broken((fault, may_heal)) => {
                entry.attempts += 1;
                let again = may_heal && entry.attempts <= self.context.engine.options.retry_limit;
                info!(resource = %entry.key, fault = fault.message, again, "resource broken");
                entry.fault = Some(fault);
                entry.phase = if again { Phase::Dropping } else { Phase::Failed };
                entry.next_check = now;
                self.put(entry).await
            }
        }
    }

    /// What was stuck before and still is, is given up after a while; the cause is known long before its budget ends.
    async fn stuck(&self, mut entry: Entry, cause: String) -> Result<Taken, StoreError> {
        let now = self.context.now();
        let since = entry.facts.get(STUCK_SINCE).and_then(serde_json::Value::as_i64);
        let since = Millis(since.unwrap_or(now.0));
        let limit = STUCK_LIMIT.min(self.context.engine.options.budgets.of(&entry.spec) / 20);
        if now.since(since) >= limit {
            let fault = StepError::Ours(cause).fault(&entry.key);
            info!(resource = %entry.key, %fault, "resource stuck");
            entry.facts.remove(STUCK_SINCE);
            entry.fault = Some(fault);
            entry.phase = Phase::Failed;
            return self.put(entry).await;
        }
        entry.facts.insert(STUCK_SINCE.to_owned(), since.0.into());
        entry.next_check = now.plus(look_again(now.since(since)));
        entry.seen = Some(cause);
        self.put(entry).await
    }

    /// Another revision of what is changed in place: it is made again, and nothing is dropped.
    async fn renew(&self, mut entry: Entry, wanted: &Resource) -> Result<Taken, StoreError> {
        let fresh = self.intend(wanted);
        entry.phase = Phase::Intended;
        entry.spec = fresh.spec;
        entry.needs = fresh.needs;
        entry.attempts = 0;
        entry.next_check = fresh.next_check;
        entry.give_up_at = fresh.give_up_at;
        entry.started = fresh.started;
        entry.finished = None;
        entry.seen = None;
        entry.facts.clear();
        self.put(entry).await
    }

    async fn drop(&self, mut entry: Entry) -> Result<Taken, StoreError> {
        if let Some(wanted) = self.wanted
            && matches!(wanted.spec, Spec::AddOn { .. })
        {
            return self.renew(entry, wanted).await;
        }
        if entry.phase != Phase::Dropping {
            let now = self.context.now();
            entry.phase = Phase::Dropping;
            entry.attempts = 0;
            entry.started = now;
            entry.finished = None;
            entry.seen = None;
            entry.give_up_at = now.plus(self.context.engine.options.budgets.of(&entry.spec));
            self.put(entry.clone()).await?;
        }
        match self
            .wait(resource::drop(self.context, &entry, &self.made, self.wanted))
            .await
        {
            // What may yet appear must not be forgotten.
            Ok(true) if (entry.uncertain || entry.maybe_twice) && self.may_still_happen(&entry) => {
                entry.next_check = entry.tried.plus(self.context.engine.options.settle_time);
                self.put(entry).await
            }
            Ok(true) => self.dropped(entry).await,
            Ok(false) => {
                let now = self.context.now();
                entry.next_check = now.plus(look_again(now.since(entry.started)));
                self.kept(entry).await
            }
            Err(StepError::Pending(seen)) => {
                let now = self.context.now();
                entry.next_check = now.plus(look_again(now.since(entry.started)));
                entry.fault = None;
                if entry.seen.as_ref() == Some(&seen) {
                    return self.kept(entry).await;
                }
                entry.seen = Some(seen);
                self.put(entry).await
            }
            Err(error) => self.retry_drop(entry, error).await,
        }
    }

    /// Gone; one that should be there is made anew.
    async fn dropped(&self, mut entry: Entry) -> Result<Taken, StoreError> {
        // A COE and a pool are made again with what they are of by then.
        if self.wanted.is_none() || matches!(entry.spec, Spec::Coe | Spec::Pool { .. }) {
            debug!(resource = %entry.key, "resource gone");
            return self.removed(entry.key).await;
        }
        entry.phase = Phase::Intended;
        entry.id = None;
        entry.uncertain = false;
        entry.facts = Default::default();
        entry.next_check = self.context.now().plus(backoff(entry.attempts, None));
        self.put(entry).await
    }

    async fn give_up(&self, mut entry: Entry) -> Result<Taken, StoreError> {
        let waited = self.context.now().since(entry.started).as_secs();
        let is_dropping = entry.phase == Phase::Dropping;
        let verb = if is_dropping { "gone" } else { "ready" };
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
        let cause = match fault.message.as_str() {
            "" => String::new(),
            message => format!(": {message}"),
        };
        fault.message = format!("not {verb} after {waited} s{seen}{cause}");
        entry.fault = Some(fault);
        entry.phase = Phase::Failed;
        // A drop that was only to make room for a new one is no failed deletion.
        entry.drop_failed = is_dropping && self.wanted.is_none();
        self.put(entry).await
    }

    async fn retry(&self, mut entry: Entry, error: StepError) -> Result<Taken, StoreError> {
        if let StepError::Store(error) = error {
            return Err(error);
        }
        self.repair(&error).await?;
        entry.attempts += 1;
        entry.fault = Some(error.fault(&entry.key));
        let is_last = entry.attempts > self.context.engine.options.retry_limit;
        // A refusal may only mean that an earlier call, whose answer was lost, did the work after all.
        let may_pass =
            error.is_transient() || error.may_have_happened() || (entry.maybe_twice && error.is_refusal());
        if is_last || !may_pass {
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
        self.repair(&error).await?;
        entry.attempts += 1;
        entry.fault = Some(error.fault(&entry.key));
        debug!(resource = %entry.key, fault = %error.fault(&entry.key), "trying the drop again");
        entry.next_check = self
            .context
            .now()
            .plus(backoff(entry.attempts, error.retry_after()));
        self.put(entry).await
    }

    /// The cluster's identity may have been changed or taken away behind our back: it is ours to mend.
    async fn repair(&self, error: &StepError) -> Result<(), StoreError> {
        if error.is_unauthorized() {
            // Rare and large: kept out of every step's own size.
            self.wait(Box::pin(self.context.repair_identity())).await?;
        }
        Ok(())
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
