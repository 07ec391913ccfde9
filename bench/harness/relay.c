// relay NETNS MTU: the least that a program between a TAP device and host sockets can do, for comparison.
//
// It carries bulk TCP over IPv4 from one namespace to this host's loopback and back, with the kernel's offloads and 64 KiB
// frames as slirpnet does, and nothing else: no retransmission, no flow control of its own, no options but the
// necessary, blocking sends, no checks. What is slower than this has room; what is as slow is the kernel interface's cost.
// It makes tap0 in the namespace and prints a line; who called configures the interface. It ends when it is killed.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FLOWS = 16, FRAMES = 32, POLLS = 50, VIRTIO = 10, ETHERNET = 14, IP = 20, TCP = 20, BUFFER = 1 << 17 };
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

struct flow {
    int socket, at_end, owes_ack, shift;
    uint16_t guest_port, host_port;
    uint32_t guest_address, host_address, received, sent, acknowledged, window;
};

static struct flow flows[FLOWS];
static uint8_t guest_mac[6], own_mac[6] = {2, 0, 0, 0, 0, 2}, buffer[BUFFER];
static int tap, mss;

static void fail(const char *step) {
    perror(step);
    exit(1);
}

static void put16(uint8_t *at, uint32_t value) {
    at[0] = value >> 8;
    at[1] = value;
}

static void put32(uint8_t *at, uint32_t value) {
    put16(at, value >> 16);
    put16(at + 2, value);
}

static uint32_t get16(const uint8_t *at) { return at[0] << 8 | at[1]; }
static uint32_t get32(const uint8_t *at) { return get16(at) << 16 | get16(at + 2); }

static uint32_t sum(const uint8_t *octets, int length, uint32_t start) {
    for (int i = 0; i < length; i += 2) start += get16(octets + i);
    while (start >> 16) start = (start & 0xffff) + (start >> 16);
    return start;
}

static void send_segment(struct flow *flow, int flags, uint8_t *payload, int length) {
    uint8_t head[VIRTIO + ETHERNET + IP + TCP + 8] = {0};
    int tcp_length = flags & SYN ? TCP + 8 : TCP;
    struct virtio_net_hdr *virtio = (void *)head;
    uint8_t *ethernet = head + VIRTIO, *ip = ethernet + ETHERNET, *tcp = ip + IP;
    memcpy(ethernet, guest_mac, 6);
    memcpy(ethernet + 6, own_mac, 6);
    put16(ethernet + 12, 0x0800);
    ip[0] = 0x45;
    put16(ip + 2, IP + tcp_length + length);
    ip[8] = 64;
    ip[9] = IPPROTO_TCP;
    put32(ip + 12, flow->host_address);
    put32(ip + 16, flow->guest_address);
    put16(ip + 10, ~sum(ip, IP, 0));
    put16(tcp, flow->host_port);
    put16(tcp + 2, flow->guest_port);
    put32(tcp + 4, flow->sent);
    put32(tcp + 8, flow->received);
    tcp[12] = tcp_length / 4 << 4;
    tcp[13] = flags;
    put16(tcp + 14, 0xffff);
    if (flags & SYN) {
        uint8_t options[8] = {2, 4, mss >> 8, mss, 1, 3, 3, 7}; // maximum segment size, window scale
        memcpy(tcp + TCP, options, sizeof options);
    }
    put16(tcp + 16, sum(ip + 12, 8, IPPROTO_TCP + tcp_length + length)); // of the pseudo-header; the kernel does the rest
    virtio->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    virtio->csum_start = ETHERNET + IP;
    virtio->csum_offset = 16;
    virtio->hdr_len = ETHERNET + IP + tcp_length;
    if (length > mss) {
        virtio->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
        virtio->gso_size = mss;
    }
    struct iovec parts[2] = {{head, VIRTIO + ETHERNET + IP + tcp_length}, {payload, length}};
    if (writev(tap, parts, length ? 2 : 1) < 0) perror("writev");
    flow->sent += length + (flags & (SYN | FIN) ? 1 : 0);
    flow->owes_ack = 0;
}

static void open_flow(const uint8_t *ip, const uint8_t *tcp, const uint8_t *payload) {
    struct flow *flow = flows;
    while (flow < flows + FLOWS && flow->guest_port) flow++;
    if (flow == flows + FLOWS) return;
    *flow = (struct flow){.guest_port = get16(tcp), .host_port = get16(tcp + 2), .guest_address = get32(ip + 12),
                          .host_address = get32(ip + 16), .received = get32(tcp + 4) + 1, .sent = 1, .acknowledged = 2};
    for (const uint8_t *option = tcp + TCP; option < payload && *option; option += *option == 1 ? 1 : option[1])
        if (*option == 3) flow->shift = option[2];
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(flow->host_port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int on = 1;
    flow->socket = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(flow->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(flow->socket, (void *)&server, sizeof server) < 0) fail("connect");
    send_segment(flow, SYN | ACK, NULL, 0);
}

static void take_frame(int length) {
    uint8_t *ethernet = buffer + VIRTIO, *ip = ethernet + ETHERNET, *tcp = ip + (ip[0] & 15) * 4;
    if (get16(ethernet + 12) != 0x0800 || ip[9] != IPPROTO_TCP) return;
    uint8_t *payload = tcp + (tcp[12] >> 4) * 4, *end = ip + get16(ip + 2);
    if (end == ip) end = buffer + length;
    memcpy(guest_mac, ethernet + 6, 6);
    struct flow *flow = flows;
    while (flow < flows + FLOWS && flow->guest_port != get16(tcp)) flow++;
    if (flow == flows + FLOWS) {
        if (tcp[13] & SYN) open_flow(ip, tcp, payload);
        return;
    }
    if ((int32_t)(get32(tcp + 8) - flow->acknowledged) > 0) flow->acknowledged = get32(tcp + 8);
    flow->window = get16(tcp + 14) << flow->shift;
    if (end > payload) flow->owes_ack = 1;
    if (get32(tcp + 4) != flow->received) return;
    while (payload < end) {
        ssize_t taken = send(flow->socket, payload, end - payload, 0);
        if (taken < 0) break;
        payload += taken;
        flow->received += taken;
    }
    if (tcp[13] & FIN) {
        flow->received++;
        flow->owes_ack = 1;
        shutdown(flow->socket, SHUT_WR);
    }
    if (tcp[13] & RST) {
        close(flow->socket);
        flow->guest_port = 0;
    }
}

static int32_t room(const struct flow *flow) { return flow->acknowledged + flow->window - flow->sent; }

static int serve(struct flow *flow) {
    int worked = 0;
    for (int i = 0; i < 8 && !flow->at_end && room(flow) > 0; i++) {
        int most = (65535 - IP - TCP) / mss * mss;
        ssize_t count = recv(flow->socket, buffer, room(flow) < most ? room(flow) : most, MSG_DONTWAIT);
        if (count < 0) break;
        worked = 1;
        flow->at_end = count == 0;
        send_segment(flow, count ? PSH | ACK : FIN | ACK, buffer, count);
    }
    if (flow->owes_ack) send_segment(flow, ACK, NULL, 0);
    return worked;
}

static void open_tap(const char *path) {
    int own = open("/proc/self/ns/net", O_RDONLY), guest = open(path, O_RDONLY);
    if (own < 0 || guest < 0 || setns(guest, CLONE_NEWNET) < 0) fail(path);
    struct ifreq request = {.ifr_name = "tap0", .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    if (tap < 0 || ioctl(tap, TUNSETIFF, &request) < 0) fail("/dev/net/tun");
    if (ioctl(tap, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN) < 0) fail("TUNSETOFFLOAD");
    if (setns(own, CLONE_NEWNET) < 0) fail("setns");
}

int main(int count, char **words) {
    if (count != 3) return 1;
    mss = atoi(words[2]) - IP - TCP;
    open_tap(words[1]);
    puts("up");
    fflush(stdout);
    for (int idle = 0;;) {
        int worked = 0, length;
        for (int i = 0; i < FRAMES && (length = read(tap, buffer, sizeof buffer)) >= 0; i++) {
            worked = 1;
            take_frame(length);
        }
        for (struct flow *flow = flows; flow < flows + FLOWS; flow++)
            if (flow->guest_port) worked |= serve(flow);
        idle = worked ? 0 : idle + 1;
        if (idle < POLLS) continue;
        struct pollfd waiting[FLOWS + 1] = {{tap, POLLIN, 0}};
        int many = 1;
        for (struct flow *flow = flows; flow < flows + FLOWS; flow++)
            if (flow->guest_port && !flow->at_end && room(flow) > 0) waiting[many++] = (struct pollfd){flow->socket, POLLIN, 0};
        poll(waiting, many, 1000);
    }
}
