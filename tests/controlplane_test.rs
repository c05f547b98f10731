//! The control plane that other tests rely on does what it promises.

mod controlplane;

use controlplane::ControlPlane;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{Api, PostParams};

#[tokio::test]
async fn each_user_is_who_they_are() {
    let plane = ControlPlane::builder()
        .user("alice", &["team-a", "team-b"])
        .start()
        .await
        .unwrap();
    for (name, group) in [
        ("admin", "system:masters"),
        ("reviewer", "reviewers"),
        ("developer", "developers"),
        ("auditor", "auditors"),
        ("alice", "team-b"),
    ] {
        let reviews = Api::<SelfSubjectReview>::all(plane.client(name));
        let review = reviews
            .create(&PostParams::default(), &SelfSubjectReview::default())
            .await
            .unwrap();
        let user = review.status.unwrap().user_info.unwrap();
        assert_eq!(user.username.as_deref(), Some(name));
        assert!(user.groups.unwrap().contains(&group.to_owned()));
    }
}
