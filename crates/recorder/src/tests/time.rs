//! What the recorder makes of clocks that are set, of time in which the process did not run, and of
//! time in which a control was not judged.

use super::*;
use OperatorEvent::{ClockAgrees, ClockDiffers, Started, Stopped};
use comptroller_evidence::data::{GapCause, GapData, OperatorData};

/// A machine whose clocks are set, in seconds ahead of the true ones.
#[derive(Debug, Default)]
struct FakeMachine {
    uptime: i64,
    wall: i64,
}

#[derive(Clone, Debug)]
struct Faked {
    offsets: Arc<Mutex<FakeMachine>>,
    began: Instant,
    epoch: Timestamp,
}

impl Faked {
    fn new() -> Self {
        let offsets = Arc::default();
        Self { offsets, began: Instant::now(), epoch: Timestamp::now() }
    }

    fn true_time(&self) -> Timestamp {
        self.epoch + SignedDuration::try_from(self.began.elapsed()).unwrap()
    }

    fn set_wall(&self, seconds: i64) {
        self.offsets.lock().unwrap().wall = seconds;
    }

    /// The process stands still for a time in which the clocks go on.
    fn pause(&self, seconds: i64) {
        let mut offsets = self.offsets.lock().unwrap();
        offsets.uptime += seconds;
        offsets.wall += seconds;
    }

    /// The API server answers; its clock goes on while the process stands still.
    fn answer(&self, clock: &Clock) {
        let paused = self.offsets.lock().unwrap().uptime;
        let date = self.true_time() + SignedDuration::from_secs(paused);
        clock.observe(comptroller_vocabulary::whole_seconds(date), clock.machine());
    }
}

impl TimeSource for Faked {
    fn read(&self) -> MachineTime {
        let FakeMachine { uptime, wall } = *self.offsets.lock().unwrap();
        let elapsed = SignedDuration::try_from(self.began.elapsed()).unwrap();
        MachineTime {
            uptime: elapsed + SignedDuration::from_secs(uptime),
            wall: self.epoch + elapsed + SignedDuration::from_secs(wall),
        }
    }
}

/// An operator on a machine whose clocks the test sets.
async fn start(bench: &mut Bench) -> (Evidence, Faked, watch::Sender<bool>) {
    let machine = Faked::new();
    bench.clock = Clock::on(machine.clone());
    machine.answer(&bench.clock);
    let (leads, leading) = watch::channel(true);
    let (evidence, _) = bench.start("comptroller-0", leading);
    until_open(&evidence).await;
    (evidence, machine, leads)
}

async fn entries(bench: &Bench) -> Vec<Entry> {
    let location = bench.log();
    let store = comptroller_evidence::store::open(location.to_str().unwrap()).unwrap();
    let reader = LogReader::open(store, None).await.unwrap();
    let mut entries = Vec::new();
    replay(&reader, 0..reader.size(), |_, entry| entries.push(entry.clone())).await.unwrap();
    entries
}

fn gaps(entries: &[Entry]) -> Vec<&GapData> {
    let gaps = entries.iter().filter_map(|entry| match &entry.data {
        Data::Gap(gap) => Some(gap),
        _ => None,
    });
    gaps.collect()
}

fn operators(entries: &[Entry]) -> Vec<(OperatorEvent, &OperatorData)> {
    let operators = entries.iter().filter_map(|entry| match &entry.data {
        Data::Operator(data) => Some((data.event, &**data)),
        _ => None,
    });
    operators.collect()
}

#[tokio::test]
async fn nothing_is_claimed_while_the_clocks_differ_and_no_time_falls() {
    for day in [86_400, -86_400] {
        let mut bench = Bench::new();
        let (evidence, machine, _leads) = start(&mut bench).await;
        record(&evidence, "before").await;
        machine.set_wall(day);
        let refused = try_record(&evidence, control("meanwhile")).await;
        assert!(matches!(refused, Err(EvidenceError::Unavailable(_))), "{refused:?}");
        let why = until_failing(&evidence).await;
        let place = if day > 0 { "ahead of" } else { "behind" };
        assert!(why.contains(&format!("is 24 h {place} that of the API server")), "{why}");
        machine.set_wall(0);
        until_open(&evidence).await;
        record(&evidence, "after").await;
        evidence.stop().await;

        let entries = entries(&bench).await;
        let events: Vec<_> = operators(&entries).into_iter().map(|(event, _)| event).collect();
        assert_eq!(events, [Started, ClockDiffers, ClockAgrees, Stopped]);
        let names: Vec<&str> = entries.iter().map(|entry| entry.subject.name.as_str()).collect();
        assert!(!names.contains(&"meanwhile"), "{names:?}");
        assert!(entries.is_sorted_by_key(|entry| entry.at), "time fell");
        for entry in &entries {
            let server = entry.clock.server.expect("the API server has just answered");
            assert!(entry.at.duration_since(server).abs().as_secs() <= 1, "{entry:?}");
        }
        let differs = entries.iter().find(
            |entry| matches!(&entry.data, Data::Operator(data) if data.event == ClockDiffers),
        );
        let own = differs.unwrap().clock.operator.expect("another time than the entry's");
        let ahead = own.duration_since(differs.unwrap().at).as_secs();
        assert!((ahead - day).abs() <= 2, "{ahead}");
        assert_eq!(gaps(&entries), Vec::<&GapData>::new(), "the pair of entries bounds it");
    }
}

#[tokio::test]
async fn clocks_that_agree_again_after_a_restart_are_said_to_first() {
    let mut bench = Bench::new();
    let (evidence, machine, leads) = start(&mut bench).await;
    machine.set_wall(86_400);
    until_failing(&evidence).await;
    evidence.stop().await;
    drop(leads);
    let (evidence, _, _leads) = start(&mut bench).await;
    record(&evidence, "after").await;
    evidence.stop().await;
    let entries = entries(&bench).await;
    let events: Vec<_> = operators(&entries).into_iter().map(|(event, _)| event).collect();
    assert_eq!(events, [Started, ClockDiffers, Stopped, Started, ClockAgrees, Stopped]);
    let agrees = entries
        .iter()
        .position(|entry| matches!(&entry.data, Data::Operator(data) if data.event == ClockAgrees));
    assert!(agrees < entries.iter().position(|entry| entry.subject.name == "after"));
}

#[tokio::test]
async fn a_log_that_is_ahead_of_the_time_goes_on_at_its_last_time() {
    let mut bench = Bench::new();
    {
        let machine = Faked::new();
        // Before the first answer only the operator's own clock is known, which is a day ahead.
        machine.set_wall(86_400);
        bench.clock = Clock::on(machine.clone());
        bench.run(&["a"]).await;
    }
    let (evidence, machine, _leads) = start(&mut bench).await;
    record(&evidence, "b").await;
    evidence.stop().await;
    let entries = entries(&bench).await;
    assert!(entries.is_sorted_by_key(|entry| entry.at), "time fell");
    let last = entries.last().unwrap();
    let server = last.clock.server.unwrap();
    assert!(machine.true_time().duration_since(server).abs().as_secs() <= 1, "the truth beside it");
    assert!(last.at.duration_since(server).as_secs() > 86_000);
}

#[tokio::test]
async fn a_process_that_stood_still_says_so_before_anything_else() {
    let mut bench = Bench::new();
    let (evidence, machine, _leads) = start(&mut bench).await;
    record(&evidence, "before").await;
    // Handed over before the pause, and taken in after it.
    let handed_over = evidence.clock().machine().uptime;
    machine.pause(120);
    let log = evidence.log.as_ref().unwrap();
    let (reply, answer) = oneshot::channel();
    let batch = Box::new(control("meanwhile"));
    log.requests.try_send(Request::Record { batch, handed_over, reply }).unwrap();
    let refused = answer.await.unwrap();
    assert!(matches!(refused, Err(EvidenceError::Unavailable(_))), "{refused:?}");
    machine.answer(evidence.clock());
    record(&evidence, "after").await;
    // The engine's task notices it as well, and that is the same pause.
    evidence.clock().sign(Part::Engine);
    tokio::time::sleep(Duration::from_secs(2)).await;
    evidence.stop().await;

    let entries = entries(&bench).await;
    let gaps = gaps(&entries);
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!(gaps[0].cause, Some(GapCause::Paused));
    let lasted = gaps[0].to.duration_since(gaps[0].from).as_secs();
    assert!((119..=123).contains(&lasted), "{lasted}");
    let place = |name: &str| entries.iter().position(|entry| entry.subject.name == name);
    let gap = entries.iter().position(|entry| matches!(entry.data, Data::Gap(_)));
    assert!(place("before") < gap && gap < place("after"), "{entries:?}");
    assert_eq!(place("meanwhile"), None);
}

#[tokio::test]
async fn who_ran_what_is_in_the_entries_of_the_operator() {
    let mut bench = Bench::new();
    let (evidence, _, _leads) = start(&mut bench).await;
    let jane = evidence.pseudonyms().unwrap().pseudonym("jane@corp");
    evidence.stop().await;
    for (_, data) in operators(&entries(&bench).await) {
        assert_eq!(data.image.as_deref(), Some("registry/comptroller@sha256:00"));
        assert_eq!(data.node.as_deref(), Some("node-1"));
        assert_eq!(data.user.as_deref(), Some(jane.as_str()), "a person is a pseudonym");
        assert_eq!(data.flags, ["run"]);
    }
}

#[tokio::test]
async fn a_control_that_was_not_there_or_suspended_has_a_gap_that_says_so() {
    let mut bench = Bench::new();
    let (evidence, _, _leads) = start(&mut bench).await;
    let verdict = |reason| {
        let since = evidence.clock().now();
        Arc::new(Verdict::blocked(1, reason, "why".to_owned(), since))
    };
    record(&evidence, "a").await;
    let deletion = || Batch { deleted: vec![EntrySubject::control("a")], ..Batch::default() };
    for batch in [
        verdict_of("a", &verdict(Reason::Suspended)),
        verdict_of("a", &verdict(Reason::InvalidSpec)),
        deletion(),
        control("a"),
        verdict_of("a", &verdict(Reason::Suspended)),
        deletion(),
        control("a"),
        // The cause is one, whatever reasons it had.
        verdict_of("a", &verdict(Reason::WatchStale)),
        verdict_of("a", &verdict(Reason::Forbidden)),
        verdict_of("a", &verdict(Reason::InvalidSpec)),
    ] {
        try_record(&evidence, batch).await.unwrap();
    }
    evidence.stop().await;
    let entries = entries(&bench).await;
    let causes: Vec<&str> =
        gaps(&entries).into_iter().map(|gap| gap.cause.unwrap().as_str()).collect();
    assert_eq!(causes, ["Suspended", "NoControl", "Suspended", "NoControl", "InputsUnreadable"]);
}

#[tokio::test]
async fn an_unreachable_api_server_is_one_gap_of_the_cluster() {
    let mut bench = Bench::new();
    let (evidence, _, _leads) = start(&mut bench).await;
    let now = evidence.clock().now();
    let stale = Arc::new(Verdict::blocked(1, Reason::WatchStale, "why".to_owned(), now));
    let judged = Arc::new(Verdict::blocked(1, Reason::InvalidSpec, "why".to_owned(), now));
    let both = |verdict: &Arc<Verdict>| {
        let mut batch = verdict_of("a", verdict);
        batch.verdicts.extend(verdict_of("b", verdict).verdicts);
        batch
    };
    record(&evidence, "a").await;
    record(&evidence, "b").await;
    try_record(&evidence, both(&stale)).await.unwrap();
    let from = now - SignedDuration::from_secs(60);
    let reason = "the API server did not answer".to_owned();
    let gap = GapData::between(from, now, GapCause::ApiServerUnreachable, reason);
    let first = Batch { gaps: vec![gap], ..verdict_of("a", &judged) };
    try_record(&evidence, first).await.unwrap();
    try_record(&evidence, verdict_of("b", &judged)).await.unwrap();
    evidence.stop().await;
    let entries = entries(&bench).await;
    let gaps = gaps(&entries);
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!(gaps[0].cause, Some(GapCause::ApiServerUnreachable));
}
