//! A browser without a screen: it keeps a cookie, and sends the forms it was shown.

use std::fmt;

use reqwest::{Client, header::HeaderMap};
use testkit::http;

/// Somebody at the console.
pub(crate) struct Browser {
    base: String,
    client: Client,
    pub(crate) cookie: Option<String>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

/// A form as a page has it: where it goes, and its hidden fields.
#[derive(Clone)]
pub(crate) struct Form {
    pub(crate) action: String,
    pub(crate) hidden: Vec<(String, String)>,
}

impl Browser {
    pub(crate) fn new(base: &str) -> Self {
        Self { base: base.to_owned(), client: http::client(), cookie: None }
    }

    /// One that has this cookie, wherever it is from.
    pub(crate) fn with_cookie(base: &str, cookie: Option<&str>) -> Self {
        Self { cookie: cookie.map(str::to_owned), ..Self::new(base) }
    }

    pub(crate) async fn signed_in(base: &str, token: &str) -> Self {
        let mut browser = Self::new(base);
        let answer = browser.sign_in(token).await;
        assert_eq!(answer.status, 303, "{answer}");
        browser.cookie = Some(answer.cookie());
        browser
    }

    /// Tries a token.
    pub(crate) async fn sign_in(&self, token: &str) -> Answer {
        let form = Form { action: "/sign-in".to_owned(), hidden: Vec::new() };
        self.post(&form, &[("token", token)]).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(self.client.get(format!("{}{path}", self.base))).await
    }

    /// The form of a page that goes to this path.
    pub(crate) async fn form(&self, page: &str, action: &str) -> Form {
        self.get(page).await.form(action)
    }

    /// Fills in a form and sends it.
    pub(crate) async fn post(&self, form: &Form, fields: &[(&str, &str)]) -> Answer {
        self.post_with(form, fields, &[("origin", &self.base), ("sec-fetch-site", "same-origin")]).await
    }

    /// The same with headers of one's own.
    pub(crate) async fn post_with(&self, form: &Form, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
        let hidden = form.hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let fields: Vec<_> = hidden.chain(fields.iter().copied()).collect();
        let request = self.client.post(format!("{}{}", self.base, form.action)).form(&fields);
        self.ask(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
    }

    /// Opens a page, fills in its form and sends it.
    pub(crate) async fn send(&self, page: &str, action: &str, fields: &[(&str, &str)]) -> Answer {
        self.post(&self.form(page, action).await, fields).await
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Answer {
        let cookies = self.cookie.iter();
        let request = cookies.fold(request, |request, cookie| request.header("cookie", cookie));
        Answer::of(request.send().await.unwrap()).await
    }
}

impl Answer {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Where it sends the browser on to.
    #[track_caller]
    pub(crate) fn goes_on(&self) -> String {
        assert_eq!(self.status, 303, "{self}");
        self.header("location").to_owned()
    }

    /// The cookie it sets, as the browser sends it.
    pub(crate) fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn form(&self, action: &str) -> Form {
        let begins = format!("action=\"{action}\"");
        let form = self.text.split("<form ").find(|form| form.contains(&begins));
        let form = form.unwrap_or_else(|| panic!("no form goes to {action}: {self}"));
        let form = form.split("</form>").next().unwrap();
        let inputs = form.split("<input type=\"hidden\" name=\"").skip(1);
        let pair = |input: &str| {
            let (name, rest) = input.split_once("\" value=\"").unwrap();
            (name.to_owned(), plain(rest.split('"').next().unwrap()))
        };
        Form { action: action.to_owned(), hidden: inputs.map(pair).collect() }
    }

    /// Every link that begins so.
    pub(crate) fn links(&self, begins: &str) -> Vec<String> {
        let links = self.text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        links.filter(|link| link.starts_with(begins)).map(plain).collect()
    }
}

/// An attribute's value, as a browser takes it.
fn plain(value: &str) -> String {
    value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}", self.status, self.headers, self.text)
    }
}
