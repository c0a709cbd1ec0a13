"""A driver of Magnum that makes nothing, so that every operation of its API can be seen to end."""

from oslo_utils import uuidutils

from magnum.drivers.common import driver
from magnum.objects import fields

NEXT = {
    fields.ClusterStatus.CREATE_IN_PROGRESS: fields.ClusterStatus.CREATE_COMPLETE,
    fields.ClusterStatus.UPDATE_IN_PROGRESS: fields.ClusterStatus.UPDATE_COMPLETE,
    fields.ClusterStatus.DELETE_IN_PROGRESS: fields.ClusterStatus.DELETE_COMPLETE,
}


class LabDriver(driver.Driver):
    """Every operation succeeds when Magnum asks for its outcome the next time."""

    provides = [
        {"server_type": "vm", "os": os, "coe": "kubernetes"}
        for os in ("ubuntu", "debian", "flatcar")
    ]

    def update_cluster_status(self, context, cluster, use_admin_ctx=False):
        deleting = cluster.status == fields.ClusterStatus.DELETE_IN_PROGRESS
        for group in cluster.nodegroups:
            if group.status == fields.ClusterStatus.DELETE_IN_PROGRESS and not deleting:
                group.destroy()
            elif group.status in NEXT:
                group.status = NEXT[group.status]
                group.save()
        if cluster.status in NEXT:
            if cluster.status == fields.ClusterStatus.CREATE_IN_PROGRESS:
                cluster.api_address = "https://192.0.2.10:6443"
            cluster.status = NEXT[cluster.status]
            cluster.save()

    def create_cluster(self, context, cluster, cluster_create_timeout):
        cluster.stack_id = uuidutils.generate_uuid()
        for group in cluster.nodegroups:
            group.status = fields.ClusterStatus.CREATE_IN_PROGRESS
            group.save()

    def update_cluster(self, context, cluster, scale_manager=None, rollback=False):
        pass

    def upgrade_cluster(self, context, cluster, cluster_template, max_batch_size,
                        nodegroup, scale_manager=None, rollback=False):
        cluster.cluster_template_id = cluster_template.uuid

    def delete_cluster(self, context, cluster):
        pass

    def resize_cluster(self, context, cluster, resize_manager, node_count,
                       nodes_to_remove, nodegroup=None):
        pass

    def validate_master_resize(self, node_count):
        self.validate_master_size(node_count)

    def create_nodegroup(self, context, cluster, nodegroup):
        nodegroup.stack_id = uuidutils.generate_uuid()
        nodegroup.status = fields.ClusterStatus.CREATE_IN_PROGRESS

    def update_nodegroup(self, context, cluster, nodegroup):
        nodegroup.status = fields.ClusterStatus.UPDATE_IN_PROGRESS

    def delete_nodegroup(self, context, cluster, nodegroup):
        nodegroup.status = fields.ClusterStatus.DELETE_IN_PROGRESS
        nodegroup.save()

    def create_federation(self, context, federation):
        raise NotImplementedError()

    def update_federation(self, context, federation):
        raise NotImplementedError()

    def delete_federation(self, context, federation):
        raise NotImplementedError()

    def rotate_ca_certificate(self, context, cluster):
        pass

    def rotate_credential(self, context, cluster):
        pass
