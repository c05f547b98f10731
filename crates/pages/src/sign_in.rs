//! The form to sign in at an operator with a token of the cluster.

use maud::{Markup, html};

use crate::html::text::outside;

/// A form to sign in.
#[derive(Clone, Debug)]
pub struct SignIn<'a> {
    /// The HTTP status: 200 for whoever came on their own, else why they did not get another page.
    pub status: u16,
    /// Why somebody who sent a token must sign in, in one sentence. None: they sent none.
    pub why: Option<&'a str>,
    /// Where the form goes to.
    pub action: &'a str,
    /// Where forgetting the token goes to.
    pub sign_out: &'a str,
    /// The page that is to follow: one of ours.
    pub next: &'a str,
}

impl SignIn<'_> {
    pub(crate) fn render(&self) -> Markup {
        html! {
            @if let Some(why) = self.why {
                div.notices role="alert" { p { (outside(why)) } }
            }
            form.sign-in method="post" action=(self.action) {
                label for="token" { "Token of a user or ServiceAccount of this cluster" }
                input id="token" name="token" type="password" autocomplete="off" spellcheck="false"
                    required aria-describedby="token-help";
                p id="token-help" {
                    "Get one for an hour with " code { "kubectl create token NAME --duration=1h" }
                    ". It needs the ClusterRole " code { "comptroller-pages-viewer" } "."
                }
                input type="hidden" name="next" value=(self.next);
                p { button type="submit" { "Sign in" } }
            }
            p {
                "Without a token: run " code { "comptroller ui" }
                ", which shows these pages with the rights of your own kubeconfig."
            }
            @if self.why.is_some() {
                form method="post" action=(self.sign_out) {
                    button type="submit" { "Forget the token" }
                }
            }
        }
    }
}
