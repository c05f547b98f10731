//! Which watches run: those that some control reads.

use std::sync::Arc;

use super::Host;
use crate::{controllers::listening::Moment, source::watches::WatchPlan};
use comptroller_core::{
    engine::WatchSet,
    inventory::{ApiServer, KindId, ProgramId, Projector, ResourceType},
};

/// A watch that runs, with the programs that it runs over its objects.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Planned {
    kind: KindId,
    programs: Vec<ProgramId>,
}

impl Host {
    /// Lists kinds anew of which an object was too much beside others that have gone since.
    pub(super) fn read_again(&mut self) {
        let fitting = self.engine.inventory().fits_again();
        self.replan |= !fitting.is_empty();
        self.planned.retain(|_, planned| !fitting.contains(&planned.kind));
    }

    /// Starts and ends watches so that they are what the controls read.
    pub(super) fn plan(&mut self, now: Moment) {
        let WatchSet { kinds, api_server } = self.engine.watch_set();
        self.api_server_wanted
            .send_if_modified(|wanted| std::mem::replace(wanted, api_server) != api_server);
        self.listening.expect_api_server(api_server, now.instant);
        if !api_server {
            // Nothing is concluded before it was read, nor from what was read some time ago.
            self.engine.observe_api_server(ApiServer::Pending, now.time);
        }
        let unwanted: Vec<ResourceType> =
            self.planned.keys().filter(|resource| !kinds.contains_key(resource)).cloned().collect();
        for resource in unwanted {
            if let Some(planned) = self.planned.remove(&resource) {
                self.watches.stop(planned.kind);
                self.epochs.remove(&planned.kind);
                self.listening.forget(planned.kind);
                self.engine.release(planned.kind, now.time);
            }
        }
        for (resource, programs) in kinds {
            let ids: Vec<ProgramId> = programs.iter().map(|(id, _)| *id).collect();
            let known = self.planned.get(&resource);
            // A watch that runs more programs than needed is right, and cheaper than a new list.
            if known.is_some_and(|known| ids.iter().all(|id| known.programs.contains(id))) {
                continue;
            }
            let kind = self.engine.kind(&resource);
            self.next_epoch += 1;
            self.epochs.insert(kind, self.next_epoch);
            self.listening.expect(kind, now.instant);
            self.planned.insert(resource.clone(), Planned { kind, programs: ids });
            self.watches.start(WatchPlan {
                kind,
                watch: self.next_epoch,
                projector: Projector::new(resource, programs, Arc::clone(&self.interner)),
            });
        }
    }
}
