//! Databases of operators whose backups are not read here. They must be mentioned, or a control would pass
//! for all databases because those that are read have backups.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BackupFacts, backup_facts};
use crate::inventory::{
    facts::{Facts, Labels, MetadataOnly, Projection, ProjectionError},
    intern::Interner,
};

/// What checks read of such a database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OtherDatabase {
    /// All labels: controls select by them.
    pub labels: Labels,
}

/// Only the metadata is read, which is the same in every version.
const ANY: &[&str] = &[
    "v1", "v2", "v3", "v1beta3", "v1beta2", "v1beta1", "v1alpha4", "v1alpha3", "v1alpha2",
    "v1alpha1", "v2beta1", "v2alpha2", "v2alpha1",
];

const fn row(group: &'static str, kind: &'static str) -> Projection {
    Projection { group, kind, versions: ANY, project }
}

/// The kinds of databases, as their projects publish them.
pub const PROJECTIONS: &[Projection] = &[
    row("acid.zalan.do", "postgresql"),
    row("apps.kubeblocks.io", "Cluster"),
    row("app.redislabs.com", "RedisEnterpriseDatabase"),
    row("cassandra.datastax.com", "CassandraDatacenter"),
    row("clickhouse.altinity.com", "ClickHouseInstallation"),
    row("couchbase.com", "CouchbaseCluster"),
    row("crdb.cockroachlabs.com", "CrdbCluster"),
    row("database.arangodb.com", "ArangoDeployment"),
    row("databases.spotahome.com", "RedisFailover"),
    row("dragonflydb.io", "Dragonfly"),
    row("elasticsearch.k8s.elastic.co", "Elasticsearch"),
    row("k8s.mariadb.com", "MariaDB"),
    row("k8ssandra.io", "K8ssandraCluster"),
    row("kubedb.com", "Elasticsearch"),
    row("kubedb.com", "MariaDB"),
    row("kubedb.com", "MongoDB"),
    row("kubedb.com", "MySQL"),
    row("kubedb.com", "Postgres"),
    row("kubedb.com", "Redis"),
    row("mongodb.com", "MongoDB"),
    row("mongodbcommunity.mongodb.com", "MongoDBCommunity"),
    row("mysql.oracle.com", "InnoDBCluster"),
    row("opensearch.opster.io", "OpenSearchCluster"),
    row("pgv2.percona.com", "PerconaPGCluster"),
    row("pingcap.com", "TidbCluster"),
    row("planetscale.com", "VitessCluster"),
    row("postgres-operator.crunchydata.com", "PostgresCluster"),
    row("ps.percona.com", "PerconaServerMySQL"),
    row("psmdb.percona.com", "PerconaServerMongoDB"),
    row("pxc.percona.com", "PerconaXtraDBCluster"),
    row("redis.redis.opstreelabs.in", "Redis"),
    row("redis.redis.opstreelabs.in", "RedisCluster"),
    row("scylla.scylladb.com", "ScyllaCluster"),
    row("stackgres.io", "SGCluster"),
];

fn project(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    // Only that it exists counts, and the labels that controls select by.
    let metadata = MetadataOnly::deserialize(object)?.metadata;
    Ok(backup_facts(BackupFacts::OtherDatabase(OtherDatabase {
        labels: metadata.interned_labels(interner),
    })))
}
