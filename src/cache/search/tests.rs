use super::*;

fn index_of<'t>(texts: impl IntoIterator<Item = (u128, &'t str)>) -> Index {
    let mut index = Index::new(usize::MAX);
    for (id, text) in texts {
        index.add(Uuid::from_u128(id), 0, text.split('|')).unwrap();
    }
    index
}

/// The texts found, joined as they were given to `index_of`.
fn found(index: &Index, term: &str) -> Vec<String> {
    let mut search = index.search(term);
    while !index.advance(&mut search) {}
    let mut texts = Vec::new();
    let mut out = Vec::new();
    while !index.write_found(&mut search, &mut out, |out, record| {
        texts.push(record.texts().collect::<Vec<_>>().join("|"));
        out.push(b'0');
    }) {}
    assert_eq!(String::from_utf8(out).unwrap(), format!("[{}]", vec!["0"; texts.len()].join(",")));
    texts
}

#[test]
fn terms_are_found_in_each_text_and_across_none() {
    let index = index_of([(2, "Ana|Ana Barbosa|Rust"), (1, "bia|Bia Lima"), (3, "Édson|x")]);
    assert_eq!(found(&index, "BARB"), ["Ana|Ana Barbosa|Rust"]);
    assert_eq!(found(&index, "a"), ["bia|Bia Lima", "Ana|Ana Barbosa|Rust"]);
    assert_eq!(found(&index, "éds"), ["Édson|x"]);
    assert_eq!(found(&index, "É"), ["Édson|x"]);
    for nothing in ["anaana", "bosarust", "xyz", "barbosas", "a|b", "aa", "z", ""] {
        assert!(found(&index, nothing).is_empty(), "{nothing}");
    }
}

#[test]
fn the_first_fifty_by_id_are_found_in_whatever_order_they_came() {
    let mut ids: Vec<u128> = (0..5_000).collect();
    fastrand::Rng::with_seed(7).shuffle(&mut ids);
    let texts: Vec<(u128, String)> = ids.iter().map(|id| (*id, format!("nick{id}"))).collect();
    let index = index_of(texts.iter().map(|(id, text)| (*id, text.as_str())));
    let expected: Vec<String> = (0..50).map(|id| format!("nick{id}")).collect();
    for term in ["nick", "i", "ck"] {
        assert_eq!(found(&index, term), expected, "{term}");
    }
    assert_eq!(found(&index, "nick4999"), ["nick4999"]);
    assert_eq!(found(&index, "99").len(), 50);
}

/// Also over several blocks of records, with ids in order, out of order, and nearly in order, as replicas give them.
#[test]
fn memory_agrees_with_a_plain_scan() {
    let mut random = fastrand::Rng::with_seed(11);
    for order in 0..3 {
        let mut word = |most: usize| -> String {
            let letters = ['a', 'b', 'é', 'B', ' ', '日', 'c', 'd'];
            (0..random.usize(0..=most)).map(|_| *random.choice(&letters).unwrap()).collect()
        };
        let mut texts: Vec<(u128, String)> =
            (0..2_000).map(|id| (id, format!("{}|{}", word(3), word(12)))).collect();
        let terms: Vec<String> = (0..500).map(|_| word(5)).filter(|term| !term.is_empty()).collect();
        match order {
            0 => {}
            1 => random.shuffle(&mut texts),
            _ => texts.chunks_mut(7).for_each(|some| random.shuffle(some)),
        }
        let index = index_of(texts.iter().map(|(id, text)| (*id, text.as_str())));
        texts.sort();
        for term in terms {
            let folded = fold(&term);
            let matches = |text: &&String| text.split('|').any(|part| fold(part).contains(folded.as_ref()));
            let expected: Vec<&String> =
                texts.iter().map(|(_, text)| text).filter(matches).take(MAX_FOUND).collect();
            assert_eq!(found(&index, &term).iter().collect::<Vec<_>>(), expected, "{term}, order {order}");
        }
    }
}

/// A search that goes on while others add finds all that was there when it began.
#[test]
fn an_index_may_grow_under_a_search() {
    let mut random = fastrand::Rng::with_seed(5);
    let mut index = Index::new(usize::MAX);
    let add = |index: &mut Index, count: usize| {
        for _ in 0..count {
            let id = u128::try_from(index.len()).unwrap();
            let text = if id.is_multiple_of(1_000) { "aaa needle aaab" } else { "aaa hay" };
            index.add(Uuid::from_u128(id), 0, [format!("k{id}").as_str(), text].into_iter()).unwrap();
        }
    };
    add(&mut index, 10_001);
    for term in ["aaab", "needle"] {
        let (mut search, mut slices, before) = (index.search(term), 1, index.len() / 1_000 + 1);
        while !index.advance(&mut search) {
            slices += 1;
            add(&mut index, random.usize(0..300));
        }
        let mut count = 0;
        while !index.write_found(&mut search, &mut Vec::new(), |_, _| count += 1) {}
        assert!(count >= before.min(MAX_FOUND), "{term}: {count} of {before} in {slices} slices");
    }
}

/// The work between two slices is bounded whatever the term: by records compared, and by numbers read from lists that
/// never meet. A search that finds nobody among many candidates is the longest.
#[test]
fn a_slice_is_bounded() {
    let mut index = Index::new(usize::MAX);
    for id in 0..60_000_u32 {
        // "aaaa" has every record for a candidate and none that matches; "efgh" has two lists that never meet.
        let text = if id.is_multiple_of(2) { "aaa efg" } else { "aaa fgh" };
        index.add(Uuid::from_u128(id.into()), 0, [format!("k{id}").as_str(), text].into_iter()).unwrap();
    }
    for (term, most_records) in [("aaaa", 700), ("efgh", 11_000)] {
        let (mut search, mut slices, mut before) = (index.search(term), 1, 0);
        while !index.advance(&mut search) {
            assert!(search.next - before <= most_records, "{term}");
            before = search.next;
            slices += 1;
        }
        assert!(slices >= 60_000 / most_records, "{term}: {slices} slices");
        assert!(found(&index, term).is_empty());
    }
    // A term of one or two bytes has fifty matches after fifty blocks at most, and is over at once if it is nowhere.
    assert!(index.advance(&mut index.search("zz")));
}

/// An answer of large records is written in pieces.
#[test]
fn an_answer_is_written_in_bounded_pieces() {
    let large = "x".repeat(30_000);
    let index = index_of((0..60).map(|id| (id, large.as_str())));
    let mut search = index.search("xxx");
    while !index.advance(&mut search) {}
    let (mut out, mut pieces, mut before) = (Vec::new(), 1, 0);
    let render = |out: &mut Vec<u8>, record: Record<'_>| {
        out.extend_from_slice(record.texts().next().unwrap().as_bytes());
    };
    while !index.write_found(&mut search, &mut out, render) {
        assert!(out.len() - before <= 2 * 64 * 1024);
        before = out.len();
        pieces += 1;
    }
    assert!(pieces > 10, "{pieces}");
    assert_eq!(out, format!("[{}]", vec![large.as_str(); 50].join(",")).into_bytes());
}

#[test]
fn ids_keys_and_the_bound() {
    let mut index = index_of([(1, "ana|x"), (1, "other")]);
    assert_eq!(index.len(), 1);
    let record = index.get(Uuid::from_u128(1)).unwrap();
    assert_eq!(record.texts().collect::<Vec<_>>(), ["ana", "x"]);
    assert!(index.has_key("ana") && !index.has_key("other") && !index.has_key("x") && !index.has_key(""));
    index.max_bytes = index.bytes();
    assert_eq!(index.add(Uuid::from_u128(2), 0, ["b"].into_iter()), Err(Full));
    assert!(!index.contains(Uuid::from_u128(2)));
}
