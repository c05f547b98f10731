//! What a page costs at 10,000 objects of each kind: every one is to be there within 100 ms.

use std::hint::black_box;

use comptroller_pages::{respond, testing};
use criterion::{Criterion, criterion_group, criterion_main};

fn pages(criterion: &mut Criterion) {
    let site = testing::large(10_000);
    let mut group = criterion.benchmark_group("page at 10,000 objects");
    group.sample_size(10);
    for (name, path, query) in [
        ("overview", "/ui/", ""),
        ("controls by criterion", "/ui/controls", ""),
        ("controls as a list", "/ui/controls", "view=list&page=50"),
        ("controls filtered", "/ui/controls", "q=number+99&state=Failing"),
        ("one control", "/ui/controls/control-00001", "page=50"),
        ("exceptions", "/ui/exceptions", ""),
        ("one exception", "/ui/exceptions/exception-00400", ""),
        ("obligations", "/ui/obligations", ""),
        ("periods", "/ui/periods", ""),
        ("registers", "/ui/registers", ""),
        ("register of controls", "/ui/registers/controls", "page=50"),
        ("register of attestations", "/ui/registers/attestations", "page=50"),
        ("log", "/ui/log", ""),
    ] {
        assert_eq!(respond(&site, path, query).status, 200, "{path}");
        group.bench_function(name, |bencher| {
            bencher.iter(|| respond(black_box(&site), path, query));
        });
    }
    group.finish();
}

criterion_group!(benches, pages);
criterion_main!(benches);
