//! Every step of every operation of a Kubernetes cluster, refused for good.
//!
//! Each operation is done once to see of what kinds its steps are. Then it is asked for again and again, with each kind of
//! step failing until its failure has ended the operation once: so what comes later is reached only by the same operation
//! asked again. A kind of step that is in no plan of today and not in the table fails the test.

mod played;
mod steps;
mod table;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jeroboam_driver::Drivers;
use jeroboam_engine::Options;
use jeroboam_plan::{Entry, Phase};
use jeroboam_simcloud::faults::{Effect, Rule};
use jeroboam_store::ClusterRow;
use jeroboam_types::nodegroup::{DEFAULT_MASTER, DEFAULT_WORKER};
use jeroboam_types::{Change, ClusterId, ClusterTemplate, Fault, Status, trust};

use crate::changes::on;
use crate::house::{House, Running, within};

use played::{Played, refusal};
use steps::{Kind, Steps, Verb};
use table::{Cause, cause};

/// How long a step may take that fails.
const BUDGET: Duration = Duration::from_secs(2);

/// How long an operation may take to tell that it has failed: some steps come before the one that does.
const SOON: Duration = Duration::from_secs(15);

/// What is asked of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Create,
    Grow,
    Shrink,
    GrowMasters,
    ShrinkMasters,
    AddGroup,
    DropGroup,
    UpgradeMasters,
    UpgradeWorkers,
    RotateAuthorities,
    RotateCredential,
    Delete,
}

impl Operation {
    /// True for those that wait until a master serves.
    pub fn asks_masters(self) -> bool {
        matches!(
            self,
            Self::GrowMasters | Self::UpgradeMasters | Self::RotateAuthorities
        )
    }

    fn failed(self) -> Status {
        match self {
            Self::Create => Status::CreateFailed,
            Self::Delete => Status::DeleteFailed,
            _ => Status::UpdateFailed,
        }
    }
}

/// A failure that is to be seen: of a kind of resource, by a cause, while it is made or dropped.
#[derive(Clone, Debug, PartialEq)]
struct Case {
    verb: Verb,
    kind: String,
    cause: Cause,
}

impl Case {
    /// True when an entry failed by this.
    fn explains(&self, entry: &Entry, fault: &Fault) -> bool {
        let is_told = match self.cause {
            Cause::Call(.., service) => {
                fault.service == service
                    && fault.request_id.is_some()
                    && fault.message.contains("The server has either erred")
                    && entry.drop_failed == (self.verb == Verb::Drop)
            }
            Cause::StuckBuild => fault.service == "compute" && fault.message.contains("it is BUILD"),
            Cause::Kubernetes(what) => fault.message.contains(&refusal(what)),
            Cause::Never => false,
        };
        entry.key.kind() == self.kind && fault.resource == entry.key.as_str() && is_told
    }
}

/// The cases of an operation whose steps were of these kinds.
fn cases(operation: Operation, kinds: &BTreeSet<Kind>) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for kind in kinds {
        let cause = cause(kind, operation);
        let is_known = |case: &Case| case.kind == kind.1 && case.cause == cause;
        if cause != Cause::Never && !cases.iter().any(is_known) {
            cases.push(Case {
                verb: kind.0,
                kind: kind.1.clone(),
                cause,
            });
        }
    }
    cases
}

struct Trial {
    house: House,
    driver: Played,
    steps: Steps,
    engine: Option<Running>,
    /// What upgrades go to by turns.
    templates: [ClusterTemplate; 2],
    upgrades: usize,
    _listening: tracing::subscriber::DefaultGuard,
}

impl Trial {
    async fn begin() -> Self {
        let steps = Steps::default();
        let listening = steps.listen();
        let mut house = House::build().await;
        house.build_kubernetes().await;
        let driver = Played::default();
        house.drivers = Drivers::new(vec![Arc::new(driver.clone())]);
        let templates = [
            house.template_of("m1.medium").await,
            house.template_of("m1.small").await,
        ];
        let mut trial = Self {
            house,
            driver,
            steps,
            engine: None,
            templates,
            upgrades: 0,
            _listening: listening,
        };
        trial.restart(|_| {}).await;
        trial
    }

    async fn restart(&mut self, change: impl FnOnce(&mut Options)) {
        if let Some(engine) = self.engine.take() {
            engine.stop().await;
        }
        let engine = self.house.engine(|options| {
            options.trust_server_active = false;
            change(options);
        });
        self.engine = Some(engine.await);
    }

    /// A cluster with everything that clusters can have.
    async fn create(&self, masters: i32) -> ClusterId {
        let asked = self.house.ask(masters, 1, |new| {
            let cluster = &mut new.cluster;
            cluster.master_lb_enabled = Some(true);
            cluster.docker_volume_size = Some(1);
            for (name, value) in [
                ("etcd_volume_size", "1"),
                ("extra_volumes", "/srv:1"),
                ("cloud_provider_enabled", "true"),
                ("metrics_server_enabled", "true"),
            ] {
                cluster.labels.0.insert(name.to_owned(), value.to_owned());
            }
            new.resolved.public_key = Some("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==".to_owned());
        });
        asked.await
    }

    async fn standing(&self, masters: i32) -> ClusterId {
        let cluster = self.create(masters).await;
        self.house.settled_as(cluster, Status::CreateComplete).await;
        self.steps.take();
        cluster
    }

    /// Asks for a change or a deletion. `again` after it has failed.
    async fn ask(&self, cluster: ClusterId, operation: Operation, again: bool) {
        let house = &self.house;
        let template = &self.templates[self.upgrades % 2];
        match operation {
            Operation::Create => panic!("a cluster is created once"),
            Operation::Grow => house.resize(cluster, DEFAULT_WORKER, 2, &[]).await,
            Operation::Shrink => house.resize(cluster, DEFAULT_WORKER, 1, &[]).await,
            Operation::GrowMasters => house.resize(cluster, DEFAULT_MASTER, 3, &[]).await,
            Operation::ShrinkMasters => house.resize(cluster, DEFAULT_MASTER, 1, &[]).await,
            // It is there, and is asked for its nodes again.
            Operation::AddGroup if again => house.resize(cluster, "gpu", 1, &[]).await,
            Operation::AddGroup => house.add_group(cluster, "gpu", 1).await,
            Operation::DropGroup => house.drop_group(cluster, "gpu").await,
            Operation::UpgradeMasters => house.upgrade(cluster, &[DEFAULT_MASTER], template, 1).await,
            Operation::UpgradeWorkers => house.upgrade(cluster, &[DEFAULT_WORKER], template, 1).await,
            Operation::RotateAuthorities => house.rotate(cluster).await,
            // Asked for again it is another one, which is as good.
            Operation::RotateCredential => {
                house.change(cluster, Change::RotateCredential, |_, _| {}).await;
            }
            Operation::Delete => house.ask_delete(cluster).await,
        }
    }

    /// Waits for the end of what succeeds.
    async fn done(&self, cluster: ClusterId, operation: Operation) {
        match operation {
            Operation::Create => drop(self.house.settled_as(cluster, Status::CreateComplete).await),
            Operation::Delete => {
                self.house.gone(cluster).await;
                self.house.nothing_left();
            }
            // The status does not tell of it.
            Operation::RotateCredential => {
                let is_there = async || {
                    let ledger = self.house.store.clusters().ledger(cluster).await.unwrap();
                    let logins = ledger.keys().filter(|key| key.kind() == "application-credential");
                    let all_ready = ledger.values().all(|entry| entry.phase == Phase::Ready);
                    let is_made = ledger.keys().any(|key| key.kind() == "credential");
                    all_ready && is_made && logins.count() == 1
                };
                within(async {
                    while !is_there().await {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                })
                .await;
                let row = self.house.settled(cluster).await;
                assert!(!row.cluster.status.is_failed(), "{:?}", row.cluster.status_reason);
            }
            _ => drop(self.house.settled_as(cluster, Status::UpdateComplete).await),
        }
    }

    /// Does what is asked without failures; gives the kinds of its steps, by stage of a rotation.
    async fn watch(&self, cluster: ClusterId, operation: Operation) -> Vec<BTreeSet<Kind>> {
        self.steps.take();
        self.ask(cluster, operation, false).await;
        self.done(cluster, operation).await;
        self.steps.take()
    }

    /// Goes on with a rotation to its next stage, from whose beginning these fail.
    async fn next_stage(&self, cluster: ClusterId, operation: Operation, cases: &[Case]) {
        let stage = async || trust::stage_of(&self.house.show(cluster).await.unwrap().groups);
        let present = stage().await;
        // Add-ons are looked at once in a stage, at its beginning. Everything else comes with each node, or at the end.
        let is_once = |case: &&Case| case.kind == "add-on";
        let once: Vec<Case> = cases.iter().filter(is_once).cloned().collect();
        self.refuse(&once);
        self.ask(cluster, operation, true).await;
        within(async {
            while stage().await == present {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        self.refuse(cases);
    }

    /// Lets these fail, and nothing else.
    fn refuse(&self, cases: &[Case]) {
        let mut faults = self.house.cloud.faults();
        faults.clear();
        let refused = Effect::Status {
            status: 400,
            retry_after: None,
        };
        let mut of_api = BTreeSet::new();
        for case in cases {
            // What is waited for is made first.
            let mut made = cases.iter().filter(|other| other.verb == Verb::Make);
            if case.verb == Verb::Await && made.any(|other| other.kind == case.kind) {
                continue;
            }
            match case.cause {
                Cause::Call(service, method, path, _) => {
                    faults.add(Rule::new(on(service, method, path), refused.clone()));
                }
                Cause::StuckBuild => {
                    let built = on(jeroboam_simcloud::Service::Compute, "POST", "*/servers");
                    faults.add(Rule::new(built, Effect::StuckBuild));
                }
                Cause::Kubernetes(what) => drop(of_api.insert(what)),
                Cause::Never => {}
            }
        }
        self.driver.refuse(of_api);
    }

    /// Waits for the failure of what is asked, and takes out of the cases those that it names.
    async fn failed(&self, cluster: ClusterId, operation: Operation, cases: &mut Vec<Case>) -> ClusterRow {
        let begun = Instant::now();
        let row = within(async {
            loop {
                let row = self.house.show(cluster).await.expect("it is not gone");
                if row.cluster.status.is_failed() {
                    return row;
                }
                let is_complete = !row.cluster.status.is_in_progress();
                assert!(
                    !is_complete || operation == Operation::RotateCredential,
                    "{operation:?} completes, and never failed by {cases:#?}"
                );
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        assert_eq!(row.cluster.status, operation.failed());
        let reason = row.cluster.status_reason.clone().unwrap_or_default();
        let elapsed = begun.elapsed();
        assert!(elapsed < SOON, "{operation:?} took {elapsed:?} to fail: {reason}");
        let before = cases.len();
        for entry in self
            .house
            .store
            .clusters()
            .ledger(cluster)
            .await
            .unwrap()
            .values()
        {
            let Some(fault) = entry.failure() else { continue };
            assert!(
                reason.contains(&fault.to_string()),
                "{reason} does not tell {fault}"
            );
            cases.retain(|case| !case.explains(entry, &fault));
        }
        assert!(
            cases.len() < before,
            "{operation:?} failed by something else: {reason}\n{cases:#?}"
        );
        row
    }

    /// Asks for a change again and again, until each of its steps has failed once; then it completes.
    async fn fail_each(&mut self, cluster: ClusterId, operation: Operation, stages: Vec<BTreeSet<Kind>>) {
        self.restart(impatient).await;
        for (stage, kinds) in stages.iter().enumerate() {
            let mut cases = cases(operation, kinds);
            assert!(!cases.is_empty(), "{operation:?} has no step that can fail");
            if stage > 0 {
                self.next_stage(cluster, operation, &cases).await;
            } else {
                self.refuse(&cases);
                self.ask(cluster, operation, false).await;
            }
            self.failed(cluster, operation, &mut cases).await;
            while !cases.is_empty() {
                self.refuse(&cases);
                self.ask(cluster, operation, true).await;
                self.failed(cluster, operation, &mut cases).await;
            }
        }
        self.refuse(&[]);
        self.restart(|_| {}).await;
        self.ask(cluster, operation, true).await;
        self.done(cluster, operation).await;
        self.steps.take();
    }

    /// Does it once without failures, and undoes that; then with a failure of each step, and undoes that too.
    async fn try_both(&mut self, cluster: ClusterId, operation: Operation, undo: Operation) {
        let kinds = self.watch(cluster, operation).await;
        let undo_kinds = self.watch(cluster, undo).await;
        self.fail_each(cluster, operation, kinds).await;
        self.fail_each(cluster, undo, undo_kinds).await;
    }

    async fn end(self, cluster: ClusterId) {
        self.house.delete_and_look(cluster).await;
        self.stop().await;
    }

    async fn stop(mut self) {
        if let Some(engine) = self.engine.take() {
            engine.stop().await;
        }
    }
}

fn impatient(options: &mut Options) {
    let budgets = &mut options.budgets;
    for budget in [
        &mut budgets.server,
        &mut budgets.load_balancer,
        &mut budgets.volume,
        &mut budgets.coe,
        &mut budgets.other,
    ] {
        *budget = BUDGET;
    }
}

#[tokio::test]
async fn a_creation_and_a_deletion_that_fail_at_any_step_name_it_and_leave_nothing() {
    let mut trial = Trial::begin().await;
    let cluster = trial.create(1).await;
    trial.done(cluster, Operation::Create).await;
    let kinds = trial.steps.take().remove(0);
    let deletion = trial.watch(cluster, Operation::Delete).await;
    trial.restart(impatient).await;
    let mut cases = cases(Operation::Create, &kinds);
    while !cases.is_empty() {
        trial.refuse(&cases);
        let cluster = trial.create(1).await;
        trial.failed(cluster, Operation::Create, &mut cases).await;
        trial.refuse(&[]);
        trial.house.delete_and_look(cluster).await;
    }
    trial.restart(|_| {}).await;
    let cluster = trial.standing(1).await;
    trial.fail_each(cluster, Operation::Delete, deletion).await;
    trial.stop().await;
}

#[tokio::test]
async fn a_resize_that_fails_at_any_step_names_it_and_the_same_again_completes() {
    let mut trial = Trial::begin().await;
    let cluster = trial.standing(1).await;
    trial.try_both(cluster, Operation::Grow, Operation::Shrink).await;
    trial.end(cluster).await;
}

#[tokio::test]
async fn another_number_of_masters_that_fails_at_any_step_names_it_and_the_same_again_completes() {
    let mut trial = Trial::begin().await;
    let cluster = trial.standing(1).await;
    let (grow, shrink) = (Operation::GrowMasters, Operation::ShrinkMasters);
    trial.try_both(cluster, grow, shrink).await;
    trial.end(cluster).await;
}

#[tokio::test]
async fn a_node_group_that_fails_at_any_step_names_it_and_the_same_again_completes() {
    let mut trial = Trial::begin().await;
    let cluster = trial.standing(1).await;
    trial
        .try_both(cluster, Operation::AddGroup, Operation::DropGroup)
        .await;
    trial.end(cluster).await;
}

#[tokio::test]
async fn an_upgrade_that_fails_at_any_step_names_it_and_the_same_again_completes() {
    let mut trial = Trial::begin().await;
    let cluster = trial.standing(3).await;
    for operation in [Operation::UpgradeMasters, Operation::UpgradeWorkers] {
        trial.upgrades = 0;
        let kinds = trial.watch(cluster, operation).await;
        trial.upgrades = 1;
        trial.fail_each(cluster, operation, kinds).await;
    }
    trial.end(cluster).await;
}

#[tokio::test]
async fn a_rotation_that_fails_at_any_step_of_any_stage_names_it_and_the_same_again_completes() {
    let mut trial = Trial::begin().await;
    let cluster = trial.standing(3).await;
    let stages = trial.watch(cluster, Operation::RotateAuthorities).await;
    assert_eq!(stages.len(), 3);
    trial
        .fail_each(cluster, Operation::RotateAuthorities, stages)
        .await;
    trial.end(cluster).await;
}

#[tokio::test]
async fn a_new_credential_that_fails_at_any_step_names_it_and_the_same_again_completes() {
    let mut trial = Trial::begin().await;
    let cluster = trial.standing(1).await;
    let kinds = trial.watch(cluster, Operation::RotateCredential).await;
    trial.fail_each(cluster, Operation::RotateCredential, kinds).await;
    trial.end(cluster).await;
}
