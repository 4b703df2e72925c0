//! What people get wrong, and what they are told: each time where, what stands there, and what to write.

use super::Config;

/// Words of parsers' own, which tell nobody what to do.
const RAW: &[&str] = &[
    "invalid type",
    "invalid value",
    "unit value",
    "sequence",
    "missing field",
    "missing configuration field",
    "unknown variant",
    "unknown field",
    "variant constructor",
    "data did not match",
    ", expected ",
    "struct ",
    "i64",
    "u32",
    "failed to parse",
];

fn told(text: &str) -> String {
    match Config::parse(text, "windlass.yaml".as_ref()) {
        Ok(_) => "it is taken".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// What is not told as it should be, if anything is not: where, what to do, and in nobody's words but ours.
fn amiss(text: &str, place: &str, hint: &str) -> Option<String> {
    let why = told(text);
    let raw = RAW.iter().find(|raw| why.contains(**raw));
    let is_told = why.starts_with("windlass.yaml") && why.contains(place) && why.contains(hint);
    let is_fit = is_told && raw.is_none() && !why.contains("hunter2");
    (!is_fit).then(|| format!("{text}\nsays: {why}\nnot: {place} … {hint}, or with: {raw:?}\n"))
}

#[track_caller]
fn each_is_told<'a>(mistakes: impl Iterator<Item = (String, &'a str, &'a str)>) {
    let amiss: Vec<_> = mistakes.filter_map(|(text, place, hint)| amiss(&text, place, hint)).collect();
    assert!(amiss.is_empty(), "{}", amiss.join("\n"));
}

/// The keys of an app around one part of it.
fn app(keys: &str) -> String {
    format!("apps:\n  shop:\n    repository: acme/shop\n    {keys}\n")
}

fn environment(keys: &str) -> String {
    let gitops = "gitops: { repository: 'https://git.example/g.git' }";
    app(&format!(
        "{gitops}\n    environments:\n      staging:\n        path: s\n        sync: {{ argocd: s }}\n        {keys}"
    ))
}

#[test]
fn keys_of_the_top_level() {
    let mistakes = [
        ("source: {}", ":1: `source`: there is no key `source` here", "write `sources`, if that is meant"),
        ("Apps: {}", ":1: `Apps`", "write `apps`"),
        ("sources: [github]", ":1: `sources`", "a list stands there; write keys below it"),
        ("sources: hunter2", ":1: `sources`", "a text stands there; write keys below it"),
        ("bus: sqlite\napps:\n", ":2: `apps`", "nothing stands there; write keys below it, or take the key out"),
        ("bus: [sqlite]", ":1: `bus`", "a list stands there; write a text"),
        ("workers: bumper", ":1: `workers`", "a text stands there; write a list"),
        ("workers: [bumper, sincer]", ":1: `workers[1]`", "write `syncer`, if that is meant; these are: `builder`, "),
        ("data:", ":1: `data`", "nothing stands there"),
        ("sources: { My_Hub: { kind: github } }", ":1: `sources", "lower-case letters, digits and `-`"),
        ("log: { format: yaml }", ":1: `log.format`", "these are: `json`, `text`"),
        ("log: debug", ":1: `log`", "write keys below it: `filter`, `format`"),
        ("harness: { lease: 30 }", ":1: `harness.lease`", "`30` is not a duration; write `90s`"),
        ("harness: { lease: -5m }", ":1: `harness.lease`", "`-5m` is not a duration"),
        ("harness: { lease: 2d }", ":1: `harness.lease`", "a day as `24h`"),
        ("harness: { lease: 99999999h }", ":1: `harness.lease`", "longer than ten years"),
        ("harness: { grace: }", ":1: `harness.grace`", "nothing stands there"),
        ("sentry: { }", ":1: `sentry`", "`dsn` is missing below it; add it"),
        ("network: { allow: 10.0.0.0/8 }", ":1: `network.allow`", "a text stands there; write a list"),
        ("network: { allow: [10.0.0.1/8] }", ":1: `network.allow[0]`", "write `10.0.0.0/8`"),
        ("registries: { ghcr.io: { poll: 5 } }", ":1: `registries.ghcr.io.poll`", "`5` is not a duration"),
        ("registries: { ghcr.io: }", ":1: `registries.ghcr.io`", "write keys below it: `password`, "),
        ("registries: { ghcr.io: { plain_http: maybe } }", "plain_http`", "write `true` or `false`"),
        ("kubernetes: { namespace: argocd }", ":1: `kubernetes.namespace`", "`argocd_namespace`"),
        ("notify: { slack: env:S }", ":1: `notify`", "something with keys of its own stands there; write a list"),
        ("notify:\n  - when: [failed]", ":2: `notify[0]`", "`slack` is missing below it; add it"),
        ("notify: [{ slack: 'https://hooks.slack.com/hunter2' }]", "`notify[0].slack`", "`file:<path>`"),
        ("notify: [{ slack: env:S, when: failed }]", "`notify[0].when`", "write a list"),
        ("git: { sign: { ssh: file:/k, gpg: file:/k } }", ":1: `git.sign`", "take"),
        (
            "git: { sign: file:/k }",
            ":1: `git.sign`",
            "what stands there is none of its values; these are: `ssh`, `gpg`",
        ),
        ("git: { message: '{ap}: {version}' }", ":1: `git.message`", "these do: {app}"),
        ("git: { author: me@example.com }", ":1: `git.author`", "write keys below it: `email`, `name`"),
        ("git: { credentials: { url: 'https://x' } }", ":1: `git.credentials`", "write a list"),
    ];
    each_is_told(mistakes.into_iter().map(|(text, place, hint)| (text.to_owned(), place, hint)));
}

#[test]
fn the_receiver_and_its_sources() {
    let mistakes = [
        ("max_connections: lots", ":2: `receiver.max_connections`", "write a whole number"),
        ("max_connections: -1", "`receiver.max_connections`", "write a whole number from 0 on"),
        ("max_body_bytes: 25MB", "`receiver.max_body_bytes`", "write a whole number"),
        ("max_body_bytes: 99999999999999999999", "`receiver.max_body_bytes`", "write a whole number"),
        ("max_body_bytes: [1]", "`receiver.max_body_bytes`", "write a whole number"),
        ("body_deadline: { seconds: 5 }", "`receiver.body_deadline`", "write a text"),
        ("spool: on", "`receiver.spool`", "`off`, or keys of its own"),
        ("spool: { max_bytes: 1 GiB }", "`receiver.spool.max_bytes`", "write a whole number"),
        ("port: 8080", ":2: `receiver.port`", "there is no key `port` here"),
    ];
    each_is_told(mistakes.into_iter().map(|(keys, place, hint)| (format!("receiver:\n  {keys}\n"), place, hint)));
    let mistakes = [
        ("secrets: [env:S]", "`sources.it`", "`kind` is missing below it; add it"),
        (
            "kind: gitub, secrets: [env:S]",
            "`sources.it.kind`",
            "`gitub` is none of its values; write `github`, if that is meant",
        ),
        ("kind: docker_hub, secrets: [env:S]", "`sources.it.kind`", "write `docker-hub`, if that is meant"),
        ("kind: [github], secrets: [env:S]", "`sources.it.kind`", "these are: `acr`"),
        ("kind: , secrets: [env:S]", "`sources.it.kind`", "these are: `acr`"),
        ("kind: github, secret: env:S", "`sources.it.secret`", "write `secrets`, if that is meant"),
        ("kind: github, secrets: env:S", "`sources.it.secrets`", "a text stands there; write a list"),
        ("kind: github, secrets: [hunter2]", "`sources.it.secrets[0]`", "never the secret itself"),
        ("kind: github, secrets: [{ file: /x }]", "`sources.it.secrets[0]`", "write a text"),
        ("kind: github, secrets: ['file:~/hub']", "`sources.it.secrets[0]`", "write the whole path"),
        ("kind: github, secrets: ['file:']", "`sources.it.secrets[0]`", "`file:<path>`"),
        ("kind: github, secrets: [env:S], insecure: si", "`sources.it.insecure`", "write `true` or `false`"),
        ("kind: github, secrets: [env:S], rate: 5", "`sources.it.rate`", "write keys below it: `burst`, `per_second`"),
        ("kind: github, secrets: [env:S], rate: { burst: 5 }", "`sources.it.rate`", "`per_second` is missing"),
        ("kind: github, secrets: [env:S], rate: { per_second: 5/s }", "rate.per_second`", "write a whole number"),
        ("kind: github, secrets: [env:S], rate: { per_second: 5000000000 }", "rate.per_second`", "4294967295"),
        ("kind: generic, secrets: [env:S], proof: hmac", "`sources.it.proof`", "its value below it"),
        ("kind: generic, secrets: [env:S], proof: { hmac: X-Sig }", "`sources.it.proof.hmac`", "`header`"),
        ("kind: generic, secrets: [env:S], proof: { hmac: {} }", "`sources.it.proof.hmac`", "`header` is missing"),
        ("kind: generic, secrets: [env:S], proof: { path: {} }", "`sources.it.proof", "write its word alone"),
        ("kind: generic, secrets: [env:S], proof: { hmac: { header: h, algorithm: md5 } }", "algorithm`", "`sha256`"),
        (
            "kind: generic, secrets: [env:S], proof: 5",
            "`sources.it.proof`",
            "a number stands there; write one of these",
        ),
        ("kind: generic, secrets: [env:S], proof: {}", "`sources.it.proof`", "one key"),
        ("kind: generic, secrets: [env:S], read: { image: name }", "`sources.it.read", ""),
        ("kind: generic, secrets: [env:S], read: { id: name }", "`sources.it.read.id`", "no JSON pointer; write"),
        ("kind: slack, secrets: [env:S], slack: T0", "`sources.it.slack`", "write keys below it: `team`, `users`"),
        ("kind: github, secrets: [env:S], reconcile: true", "`sources.it.reconcile`", "write keys below it"),
        ("kind: github, secrets: [env:S], reconcile: { every: hourly }", "reconcile.every`", "is not a duration"),
        ("kind: github, secrets: [env:S], reconcile: { app: { id: 1 } }", "reconcile.app`", "`private_key` is missing"),
        (
            "kind: github, secrets: [env:S], reconcile: { token: env:T, hooks: [{ organisation: a, organization: b }] }",
            "reconcile.hooks[0]`",
            "twice",
        ),
    ];
    let source = |keys| format!("sources:\n  it: {{ {keys} }}\n");
    each_is_told(mistakes.into_iter().map(|(keys, place, hint)| (source(keys), place, hint)));
}

#[test]
fn apps_and_their_environments() {
    let mistakes = [
        ("deploy: main", ":4: `apps.shop.deploy`", "a text stands there; write a list"),
        ("deploy: [refs/heads/main]", "`apps.shop.deploy[0]`", "write `main`"),
        ("deploy: ['[']", "`apps.shop.deploy[0]`", "is no glob"),
        ("repository: acme/till", "line 4: `apps.shop.repository`", "twice, the first time in line 3"),
        ("test: { name: unit }", ":4: `apps.shop.test`", "write a list"),
        ("test: [{ name: unit }]", "`apps.shop.test[0]`", "`run` is missing below it; add it"),
        ("test: [{ name: unit, run: make test }]", "`apps.shop.test[0].run`", "a text stands there; write a list"),
        ("test: [{ name: unit, run: [make], timeout: 5 }]", "`apps.shop.test[0].timeout`", "`5` is not a duration"),
        ("test: [{ name: unit, run: [make], env: [A=b] }]", "`apps.shop.test[0].env`", "write keys below it"),
        (
            "test: [{ name: unit, run: [make], secrets: { T: hunter2 } }]",
            "`apps.shop.test[0].secrets.T`",
            "`file:<path>`",
        ),
        ("test: [{ name: unit, run: [make], dir: /tmp }]", "`apps.shop.test[0].dir`", "not absolute"),
        ("scan: [trivy]", "`apps.shop.scan[0]`", "a text stands there; write keys below it: `env`"),
        ("scan: [{ tool: trivy, fail_on: severe }]", "`apps.shop.scan[0].fail_on`", "`critical`"),
        ("scan: [{ tool: trivy, format: json }]", "`apps.shop.scan[0].format`", "`sarif`"),
        ("scan: [{ tool: trivy, exit_codes: 0 }]", "`apps.shop.scan[0].exit_codes`", "write a list"),
        (
            "scan: [{ tool: trivy, ignore: [{ id: C, reason: x, until: soon }] }]",
            "ignore[0].until`",
            "write `2027-01-31`",
        ),
        ("build: kaniko", "`apps.shop.build`", "`buildah`"),
        ("build: { command: make }", "`apps.shop.build.command`", "write a list"),
        ("build: { docker: {} }", "`apps.shop.build", "write its word alone"),
        ("build: [docker]", "`apps.shop.build`", "a list stands there; write one of these"),
        ("components: [web]", "`apps.shop.components`", "write keys below it"),
        ("components: { web: ghcr.io/a/b }", "`apps.shop.components.web`", "write keys below it: `branches`"),
        ("components: { web: { image: web } }", "`apps.shop.components.web.image`", "host with a dot"),
        ("components: { web: { image: 'ghcr.io/a/b:1' } }", "`apps.shop.components.web.image`", "without tag"),
        ("tags: { semver: latest }", "`apps.shop.tags.semver`", "write"),
        ("tags: { semver: 1.2 }", "`apps.shop.tags.semver`", "write"),
        ("tags: { order: newest }", "`apps.shop.tags.order`", "these are: `alphabetical`, `numerical`"),
        ("tags: { regex: '(' }", "`apps.shop.tags.regex`", "no regular expression"),
        ("release: all", "`apps.shop.release`", "these are: `apart`, `together`"),
        ("write: helm", "`apps.shop.write`", "these are: `manifests`, `kustomize`"),
        ("write: 5", "`apps.shop.write`", "write one of these: `kustomize"),
        ("write: { values: { tag: image.tag } }", "`apps.shop.write.values.tag`", "write `/image/tag`"),
        ("pin: sha", "`apps.shop.pin`", "these are: `both`, `digest`, `tag`"),
        ("gitops: https://git.example/g.git", "`apps.shop.gitops`", "write keys below it: `branch`"),
        ("gitops: { branch: main }", "`apps.shop.gitops`", "`repository` is missing below it; add it"),
        ("gitops: { repository: x, mode: pr }", "`apps.shop.gitops.mode`", "these are: `pull_request`, `push`"),
        ("gitops: { repository: x, forge: { kind: gogs } }", "`apps.shop.gitops.forge.kind`", "`forgejo`"),
        ("fast_path: { skip: [health] }", "`apps.shop.fast_path.skip[0]`", "cannot be left out; write"),
        ("environment: {}", "`apps.shop.environment`", "write `environments`, if that is meant"),
    ];
    each_is_told(mistakes.into_iter().map(|(keys, place, hint)| (app(keys), place, hint)));
    let mistakes = [
        ("after: { staging: yes }", "`apps.shop.environments.staging.after`", "a name, or a list of names"),
        ("promotion: auto", "staging.promotion`", "these are: `automatic`, `manual`"),
        ("approval: yes", "staging.approval`", "`required`, or keys below it"),
        ("approval: true", "staging.approval`", "`required`, or keys below it"),
        ("approval: { approver: 2 }", "staging.approval.approver`", "write `approvers`, if that is meant"),
        ("approval: { approvers: two }", "staging.approval.approvers`", "write a whole number"),
        ("approval: { by: ada }", "staging.approval.by`", "a text stands there; write a list"),
        ("approval: { expires: 1d }", "staging.approval`", "`never`"),
        ("approval: { not_author: nobody }", "staging.approval.not_author`", "write `true` or `false`"),
        ("soak: 1 day", "staging.soak`", "is not a duration"),
        ("windows: { from: '09:00', to: '16:00' }", "staging.windows`", "write a list"),
        ("windows: [{ from: 9, to: '16:00' }]", "staging.windows[0].from`", "`9` is no time of a day; write `09:00`"),
        ("windows: [{ from: '09:00', to: '25:00' }]", "staging.windows[0].to`", "write `09:00`"),
        ("windows: [{ days: [monday], from: '09:00', to: '10:00' }]", "windows[0].days[0]`", "`mon`"),
        ("windows: [{ from: '09:00', to: '10:00', zone: Berlin }]", "windows[0].zone`", "`Europe/Berlin`"),
        ("freezes: [{ from: tomorrow, until: 2026-12-20, reason: x }]", "freezes[0].from`", "write `2026-12-20`"),
        ("freezes: [{ from: 2026-12-20, until: 2026-12-32, reason: x }]", "freezes[0].until`", "write `2026-12-20`"),
        ("rollback: never", "staging.rollback`", "these are: `automatic`, `manual`"),
        ("hold: [x]", "staging.hold`", "write a text"),
        ("health: https://x.example/", "staging.health`", "write a list"),
        ("health: [https://x.example/]", "staging.health[0]`", "write keys below it: `contains`"),
        ("health: [{ url: 'https://x.example/', status: 70000 }]", "health[0].status`", "from 0 to 65535"),
        ("health: [{ url: 'https://x.example/', status: ok }]", "health[0].status`", "write a whole number"),
        ("health: [{ url: 'https://x.example/', json: [x] }]", "health[0].json`", "write keys below it"),
        ("health: [{ url: 'https://x.example/', interval: 1 }]", "health[0].interval`", "`1` is not a duration"),
        ("smoke: https://x.example/", "staging.smoke`", "write a list"),
    ];
    each_is_told(mistakes.into_iter().map(|(keys, place, hint)| (environment(keys), place, hint)));
}

#[test]
fn what_is_no_yaml() {
    let mistakes = [
        ("sources:\n\tgithub: { kind: github }\n", "line 2", "spaces"),
        ("sources:\n  github:\n    kind: github\n   secrets: [env:S]\n", "line ", "column"),
        ("apps: [", "line ", "closed"),
        ("apps: { shop: { repository: acme/shop }\nnotify: []\n", "line ", "closed"),
        ("data: \"x\nnotify: []\n", "line ", "quotes"),
        ("data: @x\n", "line 1", "quotes"),
        ("data: a: b\n", "line 1", "quotes"),
        ("bus: sqlite\n---\nbus: sqlite\n", "line 2", "take out `---`"),
        ("- bus: sqlite\n", "no keys", "`sources:`"),
        ("hello", "no keys", "`sources:`"),
        ("apps: *shop\n", "line 1", "quotes"),
        ("bus sqlite\ndata: x\n", "line 2", "a `:` behind each"),
        ("data: x\nbus sqlite\n", "line ", "`key: value`"),
        ("bus: sqlite\nledger: sqlite\nbus: sqlite\n", "line 3", "`bus` stands there twice, the first time in line 1"),
        ("x: &x { a: b }\napps: { <<: *x }\n", "line 2", "write the keys out"),
        ("bus_password: !vault hunter2\n", "line 1", "write the value itself"),
        ("? [a, b]\n: c\n", "line 1", "a key must be a word"),
    ];
    each_is_told(mistakes.into_iter().map(|(text, place, hint)| (text.to_owned(), place, hint)));
    let bomb = (1..9).fold("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, n| {
        let many = vec![format!("*a{}", n - 1); 10].join(", ");
        format!("{text}a{n}: &a{n} [{many}]\n")
    });
    each_is_told(std::iter::once((bomb, "line ", "take aliases out")));
}

#[test]
fn a_mark_at_the_beginning_other_line_ends_and_anchors_are_no_mistakes() {
    let text = "\u{feff}bus: sqlite\r\nx: &step { name: unit, run: [make] }\r\n"
        .replace("x:", "apps: { a: { repository: a/b, test: [");
    let text = text.replace("&step { name: unit, run: [make] }", "&step { name: unit, run: [make] }, *step ] } }");
    let config = Config::parse(&text, "windlass.yaml".as_ref()).unwrap_or_else(|error| panic!("{error}"));
    let steps: Vec<_> = config.apps.values().flat_map(|app| &app.test).map(|step| step.name.as_str()).collect();
    assert_eq!(steps, ["unit", "unit"]);
}

#[test]
fn texts_that_look_like_numbers_stay_what_they_are() {
    let text = "apps: { a: { repository: a/b, test: [{ name: 007, run: [make, 1.10, 0x1F, 5, +1], env: { NODE: 20.10, ON: yes, \
                N: 1e3 } }], components: { web: { image: ghcr.io/a/b, build_args: { GO: 1.20, OFF: false } } } } }\n\
                receiver: { max_connections: 0x10 }\n";
    let config = Config::parse(text, "windlass.yaml".as_ref()).unwrap_or_else(|error| panic!("{error}"));
    let app = config.apps.values().next().into_iter().next();
    let Some(app) = app else { panic!("no app") };
    let step = &app.test[0];
    assert_eq!((step.name.as_str(), step.run.join(" ").as_str()), ("007", "make 1.10 31 5 +1"));
    let env: Vec<_> = step.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(env, ["N=1e3", "NODE=20.10", "ON=yes"]);
    let args: Vec<_> = app.components.values().flat_map(|c| &c.build_args).map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(args, ["GO=1.20", "OFF=false"]);
    assert_eq!(config.receiver.max_connections, 16);
}

#[test]
fn contradictions_say_their_line() {
    let why = told("bus: sqlite\nreceiver:\n  listen: abc\n  max_connections: 0\nworkers: []\n");
    for line in ["`receiver.listen`: `abc` is no address", "(line 3)", "(line 4)", "(line 5)"] {
        assert!(why.contains(line), "{line}: {why}");
    }
}
