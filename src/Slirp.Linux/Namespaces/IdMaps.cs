using System.Text;
using Slirp.Linux.Native;

namespace Slirp.Linux.Namespaces;

/// <summary>Writes the user and group maps of a child's new user namespace (user_namespaces(7)).</summary>
/// <remarks>Root maps every number it has itself to the same number, so that files keep their owners and setgroups stays
/// allowed. Anybody else may map one number: its own, to 0, and must give up setgroups for it.</remarks>
internal static class IdMaps
{
    /// <param name="pid">The child, by the number that the procfs mounted here shows it under.</param>
    internal static void Write(int pid)
    {
        uint user = Libc.geteuid(), group = Libc.getegid();
        if (user == 0 && TryWriteIdentity(pid)) return;
        WriteFile($"/proc/{pid}/setgroups", "deny").OrThrow("write", $"/proc/{pid}/setgroups");
        WriteFile($"/proc/{pid}/uid_map", $"0 {user} 1\n").OrThrow("write", $"/proc/{pid}/uid_map");
        WriteFile($"/proc/{pid}/gid_map", $"0 {group} 1\n").OrThrow("write", $"/proc/{pid}/gid_map");
    }

    /// <summary>Each line of a map is first number inside, first number outside, count: those inside are the ones that
    /// can be seen from here, and become both sides of the child's lines.</summary>
    internal static string IdentityOf(string ownMap)
    {
        var lines = new StringBuilder();
        foreach (string line in ownMap.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] fields = line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
            if (fields.Length == 3) lines.Append($"{fields[0]} {fields[0]} {fields[2]}\n");
        }
        return lines.ToString();
    }

    private static bool TryWriteIdentity(int pid)
    {
        string users = IdentityOf(File.ReadAllText("/proc/self/uid_map"));
        string groups = IdentityOf(File.ReadAllText("/proc/self/gid_map"));
        // Root without CAP_SETUID is refused here, with nothing changed.
        return WriteFile($"/proc/{pid}/gid_map", groups).IsOk && WriteFile($"/proc/{pid}/uid_map", users).IsOk;
    }

    /// <summary>One write, as the kernel demands of these files.</summary>
    private static SysResult WriteFile(string path, string text)
    {
        SysResult opened = Descriptor.OpenFile(path, OpenFlags.O_WRONLY);
        if (!opened.IsOk) return opened;
        using OwnedFd file = OwnedFd.FromKernel(opened.Raw);
        return Descriptor.Write(file.AsRaw, Encoding.ASCII.GetBytes(text));
    }
}
