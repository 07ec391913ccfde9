namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>
/// A host for the programs that spawn slirpnet: mount, network and process namespaces of its own on this machine, with an
/// ordinary user who has subordinate ids, a resolver (dnsmasq) and a web server on its loopback. All that happens in it
/// ends with it.
/// </summary>
/// <remarks>The machine's user data base is covered, not changed. /mnt is a tmpfs that holds everything; its paths are short,
/// as UNIX sockets need it. crun wants the unified cgroup hierarchy, so a fresh one is mounted.</remarks>
internal sealed class RootlessHost : IAsyncDisposable
{
    /// <summary>What <see cref="SkipReason"/> looks for.</summary>
    public const string Tools = "podman,crun,rootlesskit,newuidmap,busybox,dnsmasq";

    /// <summary>Served on the host's 127.0.0.1.</summary>
    public const int WebPort = 8888;

    public const string WebPage = "page of the host";

    /// <summary>The host's other addresses. At the first a page tells who asks for it.</summary>
    public const string WitnessAddress = "198.51.100.1", OtherAddress = "198.51.100.2";

    public const string WitnessPage = $"http://{WitnessAddress}:8889/cgi-bin/peer";

    /// <summary>What www.example.test resolves to.</summary>
    public const string KnownAddress = "192.0.2.7";

    /// <summary>Where the user may write.</summary>
    public const string Home = "/mnt/home";

    private const int UserId = 4242;

    private const string SetUp = $"""
        set -e
        ip link set lo up
        for address in {WitnessAddress} {OtherAddress}; do ip address add $address/32 dev lo; done
        echo '0 2147483647' >/proc/sys/net/ipv4/ping_group_range
        mount -t cgroup2 none /sys/fs/cgroup
        mount -t tmpfs -o mode=0755 tmpfs /mnt
        cd /mnt
        mkdir etc bin home run www www/cgi-bin
        cp "$1" bin/slirpnet
        (cat /etc/passwd; echo 'rootless:x:4242:4242::/mnt/home:/bin/sh') >etc/passwd
        (cat /etc/group; echo 'rootless:x:4242:') >etc/group
        echo 'rootless:200000:65536' >etc/subuid
        echo 'rootless:200000:65536' >etc/subgid
        echo 'nameserver 127.0.0.1' >etc/resolv.conf
        fresh=
        for file in subuid subgid; do [ -e /etc/$file ] || fresh=1; done
        if [ "$fresh" ]; then mkdir whole; cp -a /etc/. whole; touch whole/subuid whole/subgid; mount --bind whole /etc; fi
        for file in passwd group subuid subgid resolv.conf; do mount --bind etc/$file /etc/$file; done
        printf '[engine]\nnetwork_cmd_path = "/mnt/bin/slirpnet"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n' >etc/containers.conf
        printf '[containers]\ncgroups = "disabled"\n' >>etc/containers.conf
        printf '[storage]\ndriver = "vfs"\nrunroot = "/mnt/run/c"\ngraphroot = "/mnt/home/c"\n' >etc/storage.conf
        chown -R 4242:4242 home run
        chmod 0700 run
        echo '{WebPage}' >www/index.html
        dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --listen-address=127.0.0.1 \
            --bind-interfaces --user=root --host-record=www.example.test,{KnownAddress} &
        printf '#!/bin/sh\necho; echo from $REMOTE_ADDR\n' >www/cgi-bin/peer
        chmod 0755 www/cgi-bin/peer
        busybox httpd -f -p 127.0.0.1:8888 -h www &
        busybox httpd -f -p {WitnessAddress}:8889 -h www &
        until busybox nslookup -type=a www.example.test 127.0.0.1 >/dev/null 2>&1; do sleep 0.05; done
        for server in 127.0.0.1:8888 {WitnessAddress}:8889; do
            until busybox wget -q -O /dev/null http://$server/; do sleep 0.05; done
        done
        echo up
        exec cat
        """;

    private readonly ChildProcess _holder;
    private readonly int _init;

    private RootlessHost(ChildProcess holder, int init) => (_holder, _init) = (holder, init);

    public static async Task<RootlessHost> CreateAsync()
    {
        ChildProcess holder = ChildProcess.Start(
            ["unshare", "--mount", "--propagation=private", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
             "sh", "-c", SetUp, "sh", Machine.Binary], givesStdin: true);
        try
        {
            await holder.StdoutLineAsync("up");
            string children = await File.ReadAllTextAsync($"/proc/{holder.Pid}/task/{holder.Pid}/children");
            return new RootlessHost(holder, int.Parse(children.Trim()));
        }
        catch
        {
            await holder.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs a shell line as the user.</summary>
    public Task<Outcome> RunAsync(string script) => ChildProcess.RunAsync(Inside(script));

    public ChildProcess Start(string script) => ChildProcess.Start(Inside(script), givesStdin: true);

    /// <summary>Runs a shell line until it prints what is expected, as for things that end or begin in a moment.</summary>
    public async Task UntilAsync(string script, string expected)
    {
        async Task AskAsync()
        {
            while ((await RunAsync(script)).Stdout.Trim() != expected) await Task.Delay(20);
        }

        await AskAsync().WithinAsync($"\"{expected}\" from: {script}");
    }

    public async ValueTask DisposeAsync() => await _holder.DisposeAsync();

    private string[] Inside(string script) =>
    [
        "nsenter", "-t", $"{_init}", "-m", "-n", "-p", "setpriv", $"--reuid={UserId}", $"--regid={UserId}", "--clear-groups",
        "env", "-i", $"--chdir={Home}", "PATH=/usr/bin:/bin:/usr/sbin:/sbin", $"HOME={Home}", "XDG_RUNTIME_DIR=/mnt/run", "USER=rootless",
        "CONTAINERS_CONF=/mnt/etc/containers.conf", "CONTAINERS_STORAGE_CONF=/mnt/etc/storage.conf",
        "sh", "-c", script,
    ];
}
