use super::*;

fn users() -> Contest {
    Contest::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), "users").unwrap()
}

#[test]
fn a_run_is_within_one_of_several_budgets() {
    let default = users();
    assert_eq!(default.budget_name.as_deref(), Some("single"));
    let multi = users().within(Some("multi")).unwrap();
    assert_eq!((multi.budget_name.as_deref(), multi.budget.processes), (Some("multi"), Some(4)));
    assert!(multi.budget.cpus > default.budget.cpus);
    let error = users().within(Some("huge")).unwrap_err().to_string();
    assert_eq!(error, "no budget `huge`; there are: multi, single");
    let people = Contest::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), "people").unwrap();
    assert_eq!(people.budget_name, None);
    assert!(people.within(Some("single")).unwrap_err().to_string().contains("one budget"));
}

#[test]
fn a_contest_without_rows_has_no_connections_and_no_data() {
    type Change = fn(&mut Contest);
    let edge = || Contest::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), "edge").unwrap();
    let cases: [(Change, &str); 3] = [
        (|it| it.budget.database_connections = 1, "counts no rows"),
        (|it| it.oracle = crate::oracle::of_record("people"), "must be above 0"),
        (|it| it.seed = Some("seed.sql".into()), "`seed` belongs to"),
    ];
    for (change, said) in cases {
        let mut contest = edge();
        change(&mut contest);
        let error = contest.check().unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_load_is_of_scenarios_or_of_jmeter() {
    type Change = fn(&mut Contest);
    let shop = || Contest::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), "inventory").unwrap();
    assert!(shop().load.jmeter.is_none(), "the load by default is the lab's own");
    assert!((shop().with_load(Some("steps")).unwrap().seconds() - 1_200.0).abs() < 1e-9);
    fn plan(contest: &mut Contest) -> &mut Load {
        contest.loads.get_mut("plan").unwrap()
    }
    let cases: [(Change, &str); 5] = [
        (
            |it| {
                let scenarios = it.load.scenarios.clone();
                plan(it).scenarios = scenarios;
            },
            "JMeter's steps besides it",
        ),
        (|it| plan(it).jmeter = None, "no scenario"),
        (|it| plan(it).shop = None, "needs a `shop`"),
        (|it| it.jmeter = None, "needs a plan"),
        (|it| plan(it).jmeter.as_mut().unwrap().threads[0] = 0, "0 threads"),
    ];
    for (change, said) in cases {
        let mut contest = shop();
        change(&mut contest);
        let error = contest.check().unwrap_err().to_string();
        assert!(error.contains(said), "{said}: {error}");
    }
}

#[test]
fn what_does_not_belong_together_is_refused() {
    type Change = fn(&mut Contest);
    let mut contest = users();
    contest.budget = contest.budgets["multi"].clone();
    assert!(contest.check().unwrap_err().to_string().contains("not both"));
    let good = || {
        let mut contest = users();
        contest.budget = Budget::default();
        contest
    };
    good().check().unwrap();
    let cases: [(Change, &str); 5] = [
        (|it| it.default_budget = None, "belong together"),
        (|it| it.seed = None, "`seed` belongs to"),
        (|it| it.ready_path = None, "ready_path is needed"),
        (|it| it.budgets.values_mut().for_each(|it| it.processes = Some(0)), "processes"),
        (|it| it.budgets.values_mut().for_each(|it| it.database_connections_min = Some(99)), "_min"),
    ];
    for (change, said) in cases {
        let mut contest = good();
        change(&mut contest);
        let error = contest.check().unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}
