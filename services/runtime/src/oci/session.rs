//! One question to a registry: requests with authentication, bounded bodies, and errors that say where.

use std::{error::Error as _, time::Duration};

use proto::{Digest, ImageName};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, header};
use serde::de::DeserializeOwned;

use super::{
    LARGEST, OciError, Registries,
    challenge::{self, Challenge},
    digest_of,
    wire::{Descriptor, Errors, MANIFESTS, Tags, Token},
};
use crate::{
    Secret, config,
    http::{self, Guarded},
    network::Blocked,
};

/// The header in which a registry says a manifest's digest.
const DIGEST: &str = "docker-content-digest";
/// As many tags as one page is asked for, and as many pages as anybody has use for.
const PAGE: usize = 1000;
const PAGES: usize = 100;

/// Requests about one reference, under one authorization.
pub(super) struct Session<'a> {
    registries: &'a Registries,
    config: Option<&'a config::Registry>,
    image: &'a ImageName,
    at: String,
    base: Url,
    proof: Proof,
}

/// A manifest as it came.
pub(super) struct Answer {
    pub(super) bytes: Vec<u8>,
    pub(super) media_type: String,
    /// What the registry says its digest is.
    pub(super) claimed: Option<Digest>,
}

enum Proof {
    None,
    Basic(String, Secret),
    Bearer(Secret),
}

/// The address of the next page, from a `Link` header (RFC 8288).
fn next_page(link: &str) -> Option<String> {
    let (url, rest) = link.split_once('<')?.1.split_once('>')?;
    rest.contains("next").then(|| url.to_owned())
}

/// Whether a text is a tag by the grammar of the distribution specification; anything else could be a path.
pub fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let rest = |b: u8| word(b) || b == b'.' || b == b'-';
    text.len() <= 128 && text.bytes().next().is_some_and(word) && text.bytes().all(rest)
}

impl<'a> Session<'a> {
    pub(super) fn new(registries: &'a Registries, image: &'a ImageName, reference: &str) -> Result<Self, OciError> {
        let is_digest = Digest::new(reference).is_ok();
        let shown: String = reference.chars().take(140).collect();
        let at = format!("{image}{}{shown}", if is_digest { '@' } else { ':' });
        if !is_digest && !is_tag(reference) {
            return Err(OciError::Malformed { at, why: "this is neither a tag nor a digest".to_owned() });
        }
        Self::about(registries, image, at)
    }

    /// Requests about a repository, or something in it that is called so in errors.
    pub(super) fn about(registries: &'a Registries, image: &'a ImageName, at: String) -> Result<Self, OciError> {
        let config = registries.config.get(image.registry());
        let scheme = if config.is_some_and(|c| c.plain_http) { "http" } else { "https" };
        // The one registry whose name is not its address.
        let host = if image.registry() == "docker.io" { "registry-1.docker.io" } else { image.registry() };
        let base = Url::parse(&format!("{scheme}://{host}/v2/{}/", image.repository()));
        let base = base.map_err(|why| OciError::Malformed { at: at.clone(), why: format!("no address: {why}") })?;
        Ok(Self { registries, config, image, at, base, proof: Proof::None })
    }

    /// The manifest a reference stands for, unproven.
    pub(super) async fn manifest(&mut self, reference: &str) -> Result<Option<Answer>, OciError> {
        let client = &self.registries.strict;
        let Some(response) = self.get(client, &format!("manifests/{reference}")).await? else { return Ok(None) };
        let text = |name| response.headers().get(name).and_then(|v: &header::HeaderValue| v.to_str().ok());
        let media_type = text("content-type").unwrap_or_default().split(';').next().unwrap_or_default().to_owned();
        let claimed = text(DIGEST).and_then(|d| Digest::new(d).ok());
        Ok(Some(Answer { bytes: self.body(response).await?, media_type, claimed }))
    }

    /// What the registry says of a tag without sending what it stands for; `Some(None)` when it does not say it so.
    pub(super) async fn peek(&mut self, tag: &str) -> Result<Option<Option<Digest>>, OciError> {
        let client = &self.registries.strict;
        let answer = match self.fetch(Method::HEAD, client, &format!("manifests/{tag}")).await {
            // Without a body nobody knows whether the registry itself says so; and not every one knows HEAD.
            Err(OciError::Status { status: 404 | 405, .. }) => return Ok(Some(None)),
            answer => answer?,
        };
        let claimed = |response: &Response| Digest::new(response.headers().get(DIGEST)?.to_str().ok()?).ok();
        Ok(answer.as_ref().map(claimed))
    }

    /// Every tag of the repository, page by page.
    pub(super) async fn tags(&mut self) -> Result<Vec<String>, OciError> {
        let (mut tags, mut page) = (Vec::new(), format!("tags/list?n={PAGE}"));
        for _ in 0..PAGES {
            let client = &self.registries.strict;
            let Some(response) = self.get(client, &page).await? else { return Ok(tags) };
            let next = response.headers().get(header::LINK).and_then(|link| link.to_str().ok()).and_then(next_page);
            let body = self.body(response).await?;
            tags.extend(self.parse::<Tags>("list of tags", &body)?.tags.unwrap_or_default());
            page = match next {
                Some(next) => self.within(&next)?,
                None => return Ok(tags),
            };
        }
        Err(self.malformed(format!("it has more than {} tags; nobody lists so many", PAGE * PAGES)))
    }

    /// A link of the registry's, as long as it leads to itself: credentials go along.
    fn within(&self, link: &str) -> Result<String, OciError> {
        let url = self.base.join(link).ok().filter(|url| url.origin() == self.base.origin());
        url.map(String::from).ok_or_else(|| self.malformed("its list of tags goes on at another server".to_owned()))
    }

    /// Content by its digest, proven.
    pub(super) async fn proven(&mut self, what: &str, wanted: &Descriptor) -> Result<Vec<u8>, OciError> {
        let is_blob = wanted.is_image_config();
        let client = if is_blob { &self.registries.roaming } else { &self.registries.strict };
        let path = format!("{}/{}", if is_blob { "blobs" } else { "manifests" }, wanted.digest);
        let Some(response) = self.get(client, &path).await? else {
            return Err(self.lies(format!("it points to the {what} {}, and does not have it", wanted.digest)));
        };
        let bytes = self.body(response).await?;
        let is = digest_of(&bytes);
        if is == wanted.digest {
            Ok(bytes)
        } else {
            Err(self.lies(format!("the {what} {} hashes to {is}", wanted.digest)))
        }
    }

    pub(super) fn parse<T: DeserializeOwned>(&self, what: &str, bytes: &[u8]) -> Result<T, OciError> {
        serde_json::from_slice(bytes).map_err(|why| self.malformed(format!("its {what} cannot be read: {why}")))
    }

    pub(super) fn lies(&self, why: String) -> OciError {
        OciError::Lies { at: self.at.clone(), why }
    }

    fn malformed(&self, why: String) -> OciError {
        OciError::Malformed { at: self.at.clone(), why }
    }

    fn refused(&self, why: String) -> OciError {
        OciError::Refused { at: self.at.clone(), why }
    }

    fn blocked(&self, why: Blocked) -> OciError {
        OciError::Blocked { at: self.at.clone(), why }
    }

    fn unreachable(&self, error: reqwest::Error) -> OciError {
        if let Some(blocked) = http::blocked(&error) {
            return self.blocked(blocked.clone());
        }
        // Token and storage URLs carry signatures.
        let error = error.without_url();
        let mut why = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            why = format!("{why}: {inner}");
            source = inner.source();
        }
        if error.is_connect() && self.base.scheme() == "https" && why.contains("InvalidContentType") {
            let key = format!("registries.{}.plain_http", self.image.registry());
            why = format!("{why} (if it speaks plain HTTP, set `{key}`)");
        }
        OciError::Unreachable { at: self.at.clone(), why }
    }

    /// A successful response, or `None` when the registry says that there is no such thing.
    async fn get(&mut self, client: &Guarded, path: &str) -> Result<Option<Response>, OciError> {
        self.fetch(Method::GET, client, path).await
    }

    async fn fetch(&mut self, method: Method, client: &Guarded, path: &str) -> Result<Option<Response>, OciError> {
        let url = self.base.join(path).map_err(|why| self.malformed(format!("no address: {why}")))?;
        let mut asked_again = false;
        loop {
            let request = client.request(method.clone(), url.clone()).map_err(|why| self.blocked(why))?;
            let request = request.header(header::ACCEPT, format!("{MANIFESTS}, */*;q=0.1"));
            let response = self.with_proof(request).send().await.map_err(|why| self.unreachable(why))?;
            match response.status() {
                StatusCode::OK => return Ok(Some(response)),
                StatusCode::UNAUTHORIZED if !asked_again => {
                    asked_again = true;
                    self.authenticate(&response).await?;
                }
                _ => return self.failed(response).await.map(|()| None),
            }
        }
    }

    /// Puts a manifest under a tag.
    pub(super) async fn put(&mut self, tag: &str, media_type: &str, manifest: Vec<u8>) -> Result<(), OciError> {
        let path = format!("manifests/{tag}");
        let url = self.base.join(&path).map_err(|why| self.malformed(format!("no address: {why}")))?;
        // What reads may not write: a token got for reading is asked for again with the scope for this.
        let mut asked_again = false;
        loop {
            let request = self.registries.strict.request(Method::PUT, url.clone());
            let request = request.map_err(|why| self.blocked(why))?.header(header::CONTENT_TYPE, media_type);
            let request = self.with_proof(request.body(manifest.clone()));
            let response = request.send().await.map_err(|why| self.unreachable(why))?;
            match response.status() {
                status if status.is_success() => return Ok(()),
                StatusCode::UNAUTHORIZED if !asked_again => {
                    asked_again = true;
                    self.authenticate(&response).await?;
                }
                _ => {
                    self.failed(response).await?;
                    return Err(self.malformed("its registry has no room for this manifest: 404".to_owned()));
                }
            }
        }
    }

    fn with_proof(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.proof {
            Proof::None => request,
            Proof::Basic(name, password) => request.basic_auth(name, Some(password.expose())),
            Proof::Bearer(token) => request.bearer_auth(token.expose()),
        }
    }

    /// `Ok` when it is simply not there, and the registry itself says so.
    async fn failed(&self, response: Response) -> Result<(), OciError> {
        let at = self.at.clone();
        let status = response.status().as_u16();
        let is_registry = response.headers().contains_key("docker-distribution-api-version");
        let after = response.headers().get(header::RETRY_AFTER).and_then(|v| v.to_str().ok()?.trim().parse().ok());
        let body = self.body(response).await.unwrap_or_default();
        let problems = serde_json::from_slice::<Errors>(&body).ok().map(|e| e.errors);
        let said =
            problems.iter().flatten().map(|p| format!("{} {}", p.code, p.message)).collect::<Vec<_>>().join("; ");
        let said: String = said.chars().take(300).collect();
        match status {
            404 if is_registry || problems.is_some() => Ok(()),
            401 | 403 => Err(self.refused(format!("{status} {said}; {}", self.hint()))),
            429 => Err(OciError::RateLimited { at, retry_after: after.map(Duration::from_secs) }),
            300..=399 => Err(OciError::Status { at, status, why: ": it sends us to another server".to_owned() }),
            _ => Err(OciError::Status { at, status, why: if said.is_empty() { said } else { format!(": {said}") } }),
        }
    }

    fn hint(&self) -> String {
        let key = format!("registries.{}", self.image.registry());
        match self.config.and_then(|c| c.password.as_ref()) {
            Some(password) => format!("check `{key}` and what {password} may read"),
            None => format!("give `{key}` a username and a password that may read this repository"),
        }
    }

    fn credentials(&self) -> Result<Option<(String, Secret)>, OciError> {
        let Some(config) = self.config else { return Ok(None) };
        let Some(password) = &config.password else { return Ok(None) };
        let secret = password.read().map_err(|why| self.refused(format!("{why:#}")))?;
        Ok(Some((config.username.clone().unwrap_or_default(), secret)))
    }

    async fn authenticate(&mut self, response: &Response) -> Result<(), OciError> {
        let headers = response.headers().get_all(header::WWW_AUTHENTICATE).iter();
        let challenges: Vec<_> = headers.filter_map(|v| challenge::parse(v.to_str().ok()?)).collect();
        let bearer = challenges.iter().find(|c| matches!(c, Challenge::Bearer { .. }));
        self.proof = match bearer.or(challenges.first()) {
            Some(Challenge::Bearer { realm, service, scope }) => {
                Proof::Bearer(self.token(realm, service.as_deref(), scope.as_deref()).await?)
            }
            Some(Challenge::Basic) => match self.credentials()? {
                Some((name, password)) => Proof::Basic(name, password),
                None => return Err(self.refused(format!("401; {}", self.hint()))),
            },
            None => {
                let hint = self.hint();
                return Err(self.refused(format!("401, and it does not say how to authenticate; {hint}")));
            }
        };
        Ok(())
    }

    async fn token(&self, realm: &str, service: Option<&str>, scope: Option<&str>) -> Result<Secret, OciError> {
        let mut url = Url::parse(realm).map_err(|_| self.malformed("its token server's URL is none".to_owned()))?;
        if url.scheme() != "https" && self.base.scheme() == "https" {
            return Err(self.refused(format!("its token server {realm} is not https; no password goes there")));
        }
        let pull = format!("repository:{}:pull", self.image.repository());
        url.query_pairs_mut()
            .extend_pairs(service.map(|s| ("service", s)))
            .append_pair("scope", scope.unwrap_or(&pull));
        let mut request = self.registries.strict.get(url).map_err(|why| self.blocked(why))?;
        if let Some((name, password)) = self.credentials()? {
            request = request.basic_auth(name, Some(password.expose()));
        }
        let response = request.send().await.map_err(|why| self.unreachable(why))?;
        if response.status() != StatusCode::OK {
            let status = response.status();
            self.failed(response).await?;
            return Err(self.refused(format!("its token server answered {status}; {}", self.hint())));
        }
        let token: Token = self.parse("token", &self.body(response).await?)?;
        let token = token.token.or(token.access_token).filter(|t| !t.is_empty());
        token.map(Secret::from).ok_or_else(|| self.malformed("its token server sent no token".to_owned()))
    }

    /// The body, as far as it is bearable.
    async fn body(&self, mut response: Response) -> Result<Vec<u8>, OciError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|why| self.unreachable(why))? {
            if bytes.len() + chunk.len() > LARGEST {
                return Err(self.malformed(format!("its registry sent more than {LARGEST} bytes where few were due")));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}
