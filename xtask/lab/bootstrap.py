"""Fills the lab's cloud: `bootstrap.py identity|resources`. What is there already stays as it is.

Settings come in the environment: LAB_PASSWORD, LAB_REGION, LAB_KEYSTONE (URL), LAB_AMPHORA_CONF (a file to write) and
LAB_ENDPOINTS, a JSON list of [type, name, URL].
"""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import openstack

PASSWORD = os.environ["LAB_PASSWORD"]
REGION = os.environ["LAB_REGION"]
SERVICE_USERS = ("placement", "glance", "nova", "neutron", "cinder", "octavia", "barbican", "magnum")
TENANTS = ("demo", "alt_demo")
TENANT_ROLES = ("member", "reader", "creator", "load-balancer_member")
# Further users of the project demo, each with one role.
ONE_ROLE = {"demo_reader": "reader", "demo_nobody": "creator", "demo_manager": "manager"}

cloud = openstack.connect(
    auth_url=os.environ["LAB_KEYSTONE"],
    username="admin",
    password=PASSWORD,
    project_name="admin",
    user_domain_id="default",
    project_domain_id="default",
    region_name=REGION,
)
keystone = cloud.identity


def project(name):
    return keystone.find_project(name, domain_id="default") or keystone.create_project(
        name=name, domain_id="default")


def user(name, domain="default", **more):
    return keystone.find_user(name, domain_id=domain) or keystone.create_user(
        name=name, password=PASSWORD, domain_id=domain, **more)


def identity():
    roles = {role.name: role for role in keystone.roles()}
    for name in ("service", "member", "reader", "manager", "admin", "creator", "load-balancer_member",
                 "load-balancer_admin"):
        if name not in roles:
            roles[name] = keystone.create_role(name=name)

    def in_project(of, who, names):
        for name in names:
            keystone.assign_project_role_to_user(of, who, roles[name])

    services = project("service")

    def service_user(name):
        in_project(services, user(name, default_project_id=services.id), ("admin", "service"))

    known = {service.type: service for service in keystone.services()}
    served = {endpoint.service_id for endpoint in keystone.endpoints()}

    def endpoint(entry):
        kind, name, url = entry
        service = known.get(kind) or keystone.create_service(type=kind, name=name)
        if service.id not in served:
            for interface in ("public", "internal", "admin"):
                keystone.create_endpoint(
                    service_id=service.id, interface=interface, url=url, region_id=REGION)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(service_user, SERVICE_USERS))
        list(pool.map(endpoint, json.loads(os.environ["LAB_ENDPOINTS"])))

    # The domain of the users that are made for clusters.
    trustees = keystone.find_domain("magnum") or keystone.create_domain(name="magnum")
    keystone.assign_domain_role_to_user(
        trustees, user("magnum_domain_admin", trustees.id), roles["admin"])

    for name in TENANTS:
        own = project(name)
        in_project(own, user(name, default_project_id=own.id), TENANT_ROLES)
    demo = project("demo")
    for name, role in ONE_ROLE.items():
        in_project(demo, user(name, default_project_id=demo.id), (role,))
    admin = user("admin")
    in_project(project("admin"), admin, ("load-balancer_admin", "creator"))
    keystone.assign_system_role_to_user(admin, roles["admin"], "all")
    keystone.assign_domain_role_to_user(
        keystone.find_domain("default"), admin, roles["admin"])


def flavors():
    compute = cloud.compute
    for name, ram, vcpus, disk in (("m1.tiny", 512, 1, 1), ("m1.small", 2048, 2, 10),
                                   ("m1.medium", 4096, 2, 20), ("m1.large", 8192, 4, 40)):
        compute.find_flavor(name) or compute.create_flavor(name=name, ram=ram, vcpus=vcpus, disk=disk)
    compute.find_flavor("amphora") or compute.create_flavor(
        id="amphora", name="amphora", ram=512, vcpus=1, disk=1)


def images():
    for name, properties in (("cirros", {}),
                             ("debian-12-docker", {"os_distro": "debian"}),
                             ("ubuntu-kube", {"os_distro": "ubuntu", "kube_version": "v1.31.1"}),
                             ("strange", {"os_distro": "plan9"}),
                             ("amphora-image", {})):
        if not cloud.image.find_image(name):
            image = cloud.image.create_image(
                name=name, disk_format="raw", container_format="bare", visibility="public",
                data=b"\0" * 65536, wait=True, **properties)
            if name == "amphora-image":
                cloud.image.add_tag(image, "amphora")


def networks():
    network = cloud.network
    public = network.find_network("public") or network.create_network(
        name="public", is_router_external=True, provider_network_type="flat",
        provider_physical_network="physnet0")
    network.find_subnet("public-subnet") or network.create_subnet(
        name="public-subnet", network_id=public.id, ip_version=4, cidr="172.24.4.0/22",
        gateway_ip="172.24.4.1", is_dhcp_enabled=False)
    owner = project("demo").id
    private = network.find_network("private", project_id=owner) or network.create_network(
        name="private", project_id=owner)
    subnet = network.find_subnet("private-subnet", project_id=owner) or network.create_subnet(
        name="private-subnet", network_id=private.id, project_id=owner, ip_version=4,
        cidr="10.10.0.0/16", dns_nameservers=["9.9.9.9"])
    if not network.find_router("router1", project_id=owner):
        router = network.create_router(
            name="router1", project_id=owner, external_gateway_info={"network_id": public.id})
        network.add_interface_to_router(router, subnet_id=subnet.id)
    # A subnet of its own that pods can be routed in.
    small = network.find_network("small", project_id=owner) or network.create_network(
        name="small", project_id=owner)
    network.find_subnet("small", project_id=owner) or network.create_subnet(
        name="small", network_id=small.id, project_id=owner, ip_version=4, cidr="10.11.0.0/24")
    # Amphorae live in a network of the service project.
    owner = project("service").id
    amphorae = network.find_network("lb-mgmt", project_id=owner) or network.create_network(
        name="lb-mgmt", project_id=owner)
    network.find_subnet("lb-mgmt", project_id=owner) or network.create_subnet(
        name="lb-mgmt", network_id=amphorae.id, project_id=owner, ip_version=4, cidr="192.168.128.0/18")
    group = network.find_security_group("lb-mgmt", project_id=owner) or network.create_security_group(
        name="lb-mgmt", project_id=owner)
    with open(os.environ["LAB_AMPHORA_CONF"], "w") as file:
        file.write(f"[controller_worker]\namp_boot_network_list = {amphorae.id}\n"
                   f"amp_secgroup_list = {group.id}\namp_image_owner_id = {project('admin').id}\n")


def quotas():
    for name in (*TENANTS, "admin", "service"):
        own = project(name).id
        cloud.compute.update_quota_set(
            own, cores=10000, ram=100000000, instances=10000, key_pairs=1000, server_groups=1000)
        cloud.set_volume_quotas(own, volumes=1000, gigabytes=1000000, snapshots=1000)
    if not any(kind.name == "fake" for kind in cloud.block_storage.types()):
        cloud.block_storage.create_type(name="fake", extra_specs={"volume_backend_name": "fake"})


def keypairs():
    for name in TENANTS:
        own = openstack.connect(
            auth_url=os.environ["LAB_KEYSTONE"], username=name, password=PASSWORD, project_name=name,
            user_domain_id="default", project_domain_id="default", region_name=REGION)
        own.compute.find_keypair("key") or own.compute.create_keypair(name="key")


def resources():
    with ThreadPoolExecutor(3) as pool:
        for job in [pool.submit(part) for part in (networks, images, flavors, quotas, keypairs)]:
            job.result()


{"identity": identity, "resources": resources}[sys.argv[1]]()
