//! Judges deployments: HTTP checks, smoke URLs and test commands, and a verdict with its evidence.
//!
//! It changes nothing and restores nothing; what a verdict leads to is the bumper's business. A deployment that does
//! not answer is unhealthy, not a failure of ours.

mod check;
mod placeholder;
mod steps;

use futures_util::future::try_join_all;
use proto::{CheckReport, Data, Deployment, Event, HealthReported, SyncFinished, Verdict, WorkerName};
use runtime::{
    Config, Context, Failure, Outcomes, Worker,
    config::{App, Environment, Sync},
    order,
    programs::Needed,
    workspace,
};

use check::{BadCheck, Check};

/// The worker.
pub struct Prober {
    ctx: Context,
}

impl Prober {
    /// A prober.
    pub fn new(ctx: &Context) -> anyhow::Result<Self> {
        workspace::clean(&ctx.folder("workspaces")?)?;
        Ok(Self { ctx: ctx.clone() })
    }

    async fn judge(
        &self,
        app: &App,
        environment: &Environment,
        sync: &SyncFinished,
    ) -> Result<Vec<CheckReport>, Failure> {
        if !sync.succeeded {
            return Ok(vec![of_sync(sync, Verdict::Failed, sync.message.clone())]);
        }
        let deployment = &sync.deployment;
        let filled =
            |key: &str, check: Result<Check, BadCheck>| check.map_err(|why| misconfigured(deployment, key, &why));
        let health = environment.health.iter().map(|c| filled("health", Check::health(c, deployment)));
        let health = health.collect::<Result<Vec<_>, _>>()?;
        let smoke = environment.smoke.iter().map(|url| filled("smoke", Check::smoke(url, deployment)));
        let smoke = smoke.collect::<Result<Vec<_>, _>>()?;

        let http = &self.ctx.http;
        let blocked = |key, blocked| misconfigured(deployment, key, &BadCheck::Blocked(blocked));
        let made = try_join_all(health.iter().map(|check| check.run(http))).await;
        let mut reports = made.map_err(|why| blocked("health", why))?;
        if all_passed(&reports) {
            let made = try_join_all(smoke.iter().map(|check| check.run(http))).await;
            reports.extend(made.map_err(|why| blocked("smoke", why))?);
        } else {
            reports.extend(smoke.iter().map(|check| steps::skipped(&check.name())));
        }
        if !all_passed(&reports) {
            reports.extend(environment.test.iter().map(|step| steps::skipped(&step.name)));
        } else if !environment.test.is_empty() {
            reports.extend(steps::run(&self.ctx, app, environment, deployment).await?);
        }
        if reports.is_empty() {
            reports.push(of_sync(sync, Verdict::Passed, nothing_but_the_sync(environment, sync)));
        }
        Ok(reports)
    }

    /// The revision that this environment was asked for after this one: what was seen may be that.
    async fn asked_later(&self, event: &Event, deployment: &Deployment) -> Result<Option<String>, Failure> {
        let ledger = &self.ctx.ledger;
        let bump = match event.cause {
            Some(id) => ledger.event(id).await.map_err(Failure::transient)?,
            None => None,
        };
        let bump = bump.and_then(|bump| Event::from_message(&bump.message).ok());
        let asked = bump.map_or(event.time, |bump| bump.time);
        Ok(order::newer_revision(ledger, deployment, asked).await?.map(String::from))
    }
}

impl Worker for Prober {
    const NAME: WorkerName = WorkerName::Prober;

    fn programs(config: &Config) -> Vec<Needed> {
        let mut needed = Vec::new();
        for (name, app) in &config.apps {
            for (environment, configured) in app.environments.iter().filter(|(_, e)| !e.test.is_empty()) {
                let key = format!("apps.{name}.environments.{environment}.test");
                needed.extend(Needed::for_repository(&app.clone_url(), &key));
                needed.extend(configured.test.iter().filter_map(|step| Needed::of(&step.run, key.clone())));
            }
        }
        needed
    }

    async fn handle(&self, event: &Event) -> Result<Outcomes, Failure> {
        let Data::SyncFinished(sync) = &event.data else {
            return Ok(Outcomes::ignored(format!("the prober knows nothing of {}", event.kind())));
        };
        let deployment = &sync.deployment;
        let Deployment { app, environment: name, revision, .. } = deployment;
        let configured = self.ctx.config.apps.get(app).and_then(|a| Some((a, a.environments.get(name)?)));
        let Some((app_config, environment)) = configured else {
            return Ok(Outcomes::ignored(format!(
                "`apps.{app}.environments.{name}` is not in the configuration any more"
            )));
        };
        let checks = self.judge(app_config, environment, sync).await?;
        let healthy = all_passed(&checks);
        let newer = if healthy {
            order::synced_after(&self.ctx.ledger, event, deployment).await?.map(String::from)
        } else {
            self.asked_later(event, deployment).await?
        };
        if let Some(newer) = newer {
            return Ok(Outcomes::ignored(format!(
                "{app}/{name}: revision {revision} is superseded by revision {newer}"
            )));
        }
        let report = HealthReported { deployment: deployment.clone(), healthy, summary: summary(&checks), checks };
        Ok(Outcomes::one(name.as_str(), report))
    }
}

fn all_passed(reports: &[CheckReport]) -> bool {
    reports.iter().all(|report| report.verdict.passed())
}

fn misconfigured(deployment: &Deployment, key: &str, why: &BadCheck) -> Failure {
    let Deployment { app, environment, .. } = deployment;
    Failure::permanent(format!("`apps.{app}.environments.{environment}.{key}`: {why}"))
}

fn of_sync(sync: &SyncFinished, verdict: Verdict, evidence: String) -> CheckReport {
    CheckReport { name: "sync".to_owned(), verdict, evidence, attempts: 1, duration_ms: sync.duration_ms }
}

/// Argo CD judges health itself, and the syncer waited for that; a command only says that it is done.
fn nothing_but_the_sync(environment: &Environment, sync: &SyncFinished) -> String {
    match environment.sync {
        Sync::Argocd(_) => format!("Argo CD says it is healthy: {}", sync.message),
        Sync::Command(_) => "no check is configured: the sync's success is all that is known".to_owned(),
    }
}

/// The verdict's reason, in a line.
fn summary(checks: &[CheckReport]) -> String {
    let bad: Vec<_> = checks.iter().filter(|c| !c.verdict.passed() && c.verdict != Verdict::Skipped).collect();
    match bad.first() {
        None if checks.len() == 1 => format!("{}: {}", checks[0].name, first_line(&checks[0].evidence)),
        None => format!("all {} checks passed", checks.len()),
        Some(first) => {
            let reason = format!("{}: {}", first.name, first_line(&first.evidence));
            format!("{} of {} checks failed; {reason}", bad.len(), checks.len())
        }
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
