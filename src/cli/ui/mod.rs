//! `comptroller ui`: the pages in a browser on this machine, with the rights of whoever starts it.

mod browser;
mod facts;
mod routes;
mod session;

use std::{
    io::IsTerminal,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use tokio::{net::TcpListener, sync::mpsc};

use self::{
    facts::UserFacts,
    routes::{OPEN, UiState},
    session::Sessions,
};
use super::{cluster::ClusterArgs, output::to_stdout};
use crate::{
    server::connections::{ConnectionLimits, Connections},
    ui::{Pages, ReportMaker},
};
use comptroller_evidence::{key::VerifierKey, witness::Policy};

/// Show the controls, their history and the audit periods in a browser.
///
/// The pages are served on this machine alone, and show what you may read with your kubeconfig. The link
/// that is printed works once, in one browser. Nothing is written to the cluster. Ctrl-C ends it.
#[derive(Clone, Debug, clap::Args)]
pub struct UiArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// The evidence log, for timelines, populations, its verification and reports: a directory, or
    /// s3://, gs:// or az:// BUCKET/PREFIX. Without it the pages show the present alone.
    #[arg(long, value_name = "URL|DIR", env = "COMPTROLLER_EVIDENCE")]
    evidence: Option<String>,
    /// The verifier key, or a file with it. Without it, the key beside the log is trusted.
    #[arg(long, value_name = "KEY|FILE", requires = "evidence")]
    key: Option<String>,
    /// Which witnesses count, and how many of them (C2SP tlog-policy), from somewhere else than the log.
    #[arg(long, value_name = "FILE", requires = "evidence")]
    policy: Option<PathBuf>,
    /// The namespace of the operator, which publishes there what it signed last.
    #[arg(short, long, value_name = "NAMESPACE", default_value = "comptroller-system")]
    namespace: String,
    /// The port on 127.0.0.1. Default: a free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
    /// Open the link in your browser.
    #[arg(long)]
    open: bool,
}

/// Why the pages can't be shown.
#[derive(Debug, thiserror::Error)]
enum UiError {
    #[error(
        "can't listen on port {port} of 127.0.0.1: {error}; choose another one with --port, or leave it out"
    )]
    Listen { port: u16, error: std::io::Error },
    #[error("standard output can't be written: {0}")]
    Output(std::io::Error),
    #[error("the system gives no randomness for a link: {0}")]
    Random(#[from] getrandom::Error),
}

/// Serves until Ctrl-C.
pub fn run(args: &UiArgs) -> Result<u8, Box<dyn std::error::Error>> {
    serve(args)?;
    Ok(0)
}

#[tokio::main(flavor = "current_thread")]
async fn serve(args: &UiArgs) -> Result<(), Box<dyn std::error::Error>> {
    let key = args.key.as_deref().map(VerifierKey::from_argument).transpose()?;
    let policy = args.policy.as_deref().map(Policy::load).transpose()?;
    let facts = UserFacts::find(args, key, policy).await?;
    let user: Arc<str> = facts.user.as_str().into();
    let (key, policy) = (args.key.clone(), args.policy.clone());
    let reports = ReportMaker::new(move || key.clone(), policy, None);
    let pages = Pages::start(reports, || facts.reader())?;

    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let failed = |error| UiError::Listen { port: args.port, error };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let sessions = Arc::new(Sessions::default());
    let link = Link { address, sessions: Arc::clone(&sessions) };
    let state = UiState {
        pages,
        sessions,
        cookie: format!("comptroller-{}", address.port()).into(),
        user,
        opened: Arc::new(|| {
            eprintln!(
                "A browser opened the link, which no longer works. If that was not you, press Ctrl-C."
            );
        }),
    };
    let connections = Connections::new(routes::router(state), None, ConnectionLimits::LOOPBACK);
    let first = link.print()?;
    let _opened = args.open.then(|| browser::open(&first));
    tokio::select! {
        () = connections.accept(listener) => {}
        error = link.renew() => return Err(error.into()),
        _ = tokio::signal::ctrl_c() => {}
    }
    connections.finish().await;
    Ok(())
}

/// Prints links to where the pages are.
struct Link {
    address: SocketAddr,
    sessions: Arc<Sessions>,
}

impl Link {
    /// Prints a new link on standard output; the one before works no longer.
    fn print(&self) -> Result<String, UiError> {
        let token = self.sessions.new_link()?;
        let link = format!("http://{}{OPEN}{}", self.address, token.as_str());
        to_stdout(|out| writeln!(out, "{link}")).map_err(UiError::Output)?;
        eprintln!(
            "Open this link in a browser on this machine. It works once; press Enter for a new one, and Ctrl-C to end."
        );
        Ok(link)
    }

    /// Prints a new link whenever Enter is pressed. Ends with an error only.
    async fn renew(&self) -> UiError {
        // What a pipe says is not meant for this.
        if !std::io::stdin().is_terminal() {
            return std::future::pending().await;
        }
        let (sender, mut presses) = mpsc::channel(1);
        // A thread of its own: a read of a terminal can't be cancelled, and must not hold up the end.
        std::thread::spawn(move || {
            for line in std::io::stdin().lines() {
                if line.is_err() || sender.blocking_send(()).is_err() {
                    return;
                }
            }
        });
        while presses.recv().await.is_some() {
            if let Err(error) = self.print() {
                return error;
            }
        }
        // The terminal is gone; browsers that are signed in stay so.
        std::future::pending().await
    }
}
