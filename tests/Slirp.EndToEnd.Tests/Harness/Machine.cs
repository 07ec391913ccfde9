namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>What the tests use of this machine, looked up once: the binary, the unprivileged user, the tools.</summary>
internal static class Machine
{
    /// <summary>A user that exists on every Debian and owns nothing.</summary>
    private const string UnprivilegedUser = "nobody";
    private const uint UnprivilegedId = 65534;

    private static readonly Lazy<string> LazyBinary = new(PlaceBinary);

    /// <summary>Prefix of a command that runs it as the unprivileged user. Root of a user namespace that has no other
    /// user is one already.</summary>
    public static string[] AsUser { get; } =
        IsMapped(UnprivilegedId) ? ["setpriv", $"--reuid={UnprivilegedUser}", "--regid=nogroup", "--clear-groups"] : [];

    /// <summary>Top of the repository.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The program under test, where every user can read it.</summary>
    public static string Binary => LazyBinary.Value;

    public static bool IsSlirp4netns { get; } = Path.GetFileName(SourceBinary) == "slirp4netns";

    public static string Scratch { get; } = MakeScratch();

    /// <summary>Where captures of failed tests are kept.</summary>
    public static string Kept { get; } = Path.Combine(Root, "TestResults");

    private static string SourceBinary =>
        Environment.GetEnvironmentVariable("SLIRP_BINARY") is { Length: > 0 } named
            ? named
            : Path.Combine(Root, "out", "slirpnet");

    /// <summary>Why tests cannot run here at all, or null.</summary>
    public static string? Refusal() =>
        Native.geteuid() != 0 ? "needs root, or the user namespace that tools/test makes"
        : !File.Exists("/dev/net/tun") ? "needs /dev/net/tun"
        : null;

    /// <summary>Takes as many open files as are wanted, or as this user may have.</summary>
    /// <returns>How many that are.</returns>
    public static int RaiseOpenFiles(int wanted)
    {
        const int OpenFiles = 7; // RLIMIT_NOFILE
        var limit = new ulong[2];
        if (Native.getrlimit(OpenFiles, limit) != 0) return 0;
        if (limit[0] < (ulong)wanted && Native.setrlimit(OpenFiles, [(ulong)wanted, Math.Max(limit[1], (ulong)wanted)]) == 0) return wanted;
        return (int)Math.Min(limit[0], int.MaxValue);
    }

    /// <summary>Whether this kernel has Landlock, and the tests are allowed it: a wall that slirpnet does without, in a line of
    /// its log, where it is missing.</summary>
    public static bool HasLandlock { get; } = Native.syscall(444, 0, 0, 1) > 0; // landlock_create_ruleset, for its version

    /// <summary>What slirpnet's status names as standing here.</summary>
    public static string[] Walls { get; } = HasLandlock ? ["nnp", "caps", "landlock", "seccomp"] : ["nnp", "caps", "seccomp"];

    /// <summary>Whether a program of this name is installed.</summary>
    public static bool Has(string tool)
    {
        // tcpdump insists on changing its groups, which a user namespace of a plain user does not allow.
        if (tool == "tcpdump" && AsUser.Length == 0) return false;
        string path = (Environment.GetEnvironmentVariable("PATH") ?? "") + ":/usr/sbin:/sbin";
        return Array.Exists(path.Split(':'), folder => File.Exists(Path.Combine(folder, tool)));
    }

    private static bool IsMapped(uint id)
    {
        foreach (string line in File.ReadLines("/proc/self/uid_map"))
        {
            // First id inside, first id outside, how many: user_namespaces(7).
            uint[] range = Array.ConvertAll(line.Split(' ', StringSplitOptions.RemoveEmptyEntries), uint.Parse);
            if (id - range[0] < range[2]) return true;
        }

        return false;
    }

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "Slirp.sln")))
                return folder.FullName;
        throw new EndToEndException($"no Slirp.sln above {AppContext.BaseDirectory}");
    }

    private static string MakeScratch()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("slirpnet-tests-");
        File.SetUnixFileMode(folder.FullName, (UnixFileMode)0b111_101_101);
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Remove(folder);
        return folder.FullName;
    }

    private static void Remove(DirectoryInfo folder)
    {
        try
        {
            folder.Delete(recursive: true);
        }
        catch (IOException)
        {
            // A child that is just ending has made another file in it.
        }
    }

    private static string PlaceBinary()
    {
        if (!File.Exists(SourceBinary))
            throw new EndToEndException($"{SourceBinary} is not there; remedy: tools/build");
        AllowTunToEveryone();
        string copy = Path.Combine(Scratch, Path.GetFileName(SourceBinary));
        File.Copy(SourceBinary, copy);
        File.SetUnixFileMode(copy, (UnixFileMode)0b111_101_101);
        return copy;
    }

    // As udev sets it up everywhere; a machine without udev may have it closed.
    private static void AllowTunToEveryone()
    {
        const string device = "/dev/net/tun";
        const UnixFileMode everyones = (UnixFileMode)0b110_110_110;
        try
        {
            if (File.GetUnixFileMode(device) != everyones) File.SetUnixFileMode(device, everyones);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            // Root of a user namespace only, or a device that cannot be changed: then it is as the machine has it.
        }
    }
}
