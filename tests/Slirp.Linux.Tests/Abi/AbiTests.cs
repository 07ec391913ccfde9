using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Slirp.Linux.Abi;
using Slirp.Linux.Events;
using Xunit;

namespace Slirp.Linux.Tests.Abi;

/// <summary>Every struct of Slirp.Linux.Abi and every constant of Slirp.Linux that carries a C name is what the system
/// headers say. What a new line adds is found by its name, so nothing can be left unchecked.</summary>
public partial class AbiTests
{
    private static readonly Assembly Product = typeof(OwnedFd).Assembly;

    /// <summary>Constants that the headers in use may not have, or not yet: compared where they do.</summary>
    private static readonly HashSet<string> Newer =
        ["SA_RESTORER", "TUN_F_USO4", "TUN_F_USO6", "IP_LOCAL_PORT_RANGE", "LANDLOCK_ACCESS_NET_BIND_TCP", "LANDLOCK_ACCESS_NET_CONNECT_TCP",
         "LANDLOCK_ACCESS_FS_TRUNCATE", "LANDLOCK_RULE_NET_PORT", "LANDLOCK_ACCESS_FS_IOCTL_DEV", "LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET", "LANDLOCK_SCOPE_SIGNAL"];

    /// <summary>Structs that grew or came lately, and the macro that came with the form described.</summary>
    private static readonly Dictionary<Type, string> NewerStructs = new()
    {
        [typeof(landlock_ruleset_attr)] = "LANDLOCK_SCOPE_SIGNAL",
        [typeof(landlock_net_port_attr)] = "LANDLOCK_ACCESS_NET_BIND_TCP",
    };

    /// <summary>Structs of the kernel whose C name the C library uses for another.</summary>
    private static readonly Dictionary<Type, (string Preamble, string Name)> KernelOnly = new()
    {
        [typeof(kernel_sigaction)] = ("#include <stddef.h>\n#include <linux/types.h>\n#include <asm/signal.h>\n#include <asm-generic/int-ll64.h>\nint printf(const char *, ...);", "sigaction"),
    };

    [GeneratedRegex("^_*[A-Z][A-Z0-9_]+[a-z0-9]?$")]
    private static partial Regex CName { get; }

    [CompilerFact]
    public void Structs_have_the_size_and_the_offsets_of_their_C_namesakes()
    {
        List<Type> structs = Product.GetTypes().Where(type => type.Namespace == "Slirp.Linux.Abi" && !type.IsNested && type.IsValueType && !type.IsEnum).ToList();
        Assert.Contains(typeof(ifreq), structs);
        var expected = new Dictionary<string, long>();
        foreach (Type type in structs.Where(type => !KernelOnly.ContainsKey(type))) Describe(type, type.Name, expected);
        Compare(expected, CProbe.Evaluate(CProbe.Headers, expected.Keys));
        foreach ((Type type, var (preamble, name)) in KernelOnly)
        {
            var one = new Dictionary<string, long>();
            Describe(type, name, one);
            Compare(one, CProbe.Evaluate(preamble, one.Keys));
        }
    }

    [CompilerFact]
    public void Constants_are_worth_what_the_headers_say()
    {
        var expected = new Dictionary<string, long>();
        foreach (Type type in Product.GetTypes())
        {
            foreach (FieldInfo field in type.GetFields(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static))
            {
                if (!field.IsLiteral || !CName.IsMatch(field.Name) || field.FieldType == typeof(string)) continue;
                long value = unchecked((long)Convert.ToDecimal(field.GetRawConstantValue(), CultureInfo.InvariantCulture));
                string name = Newer.Contains(field.Name) ? "?" + field.Name : field.Name;
                Assert.True(!expected.TryGetValue(name, out long other) || other == value, $"{name} is both {other} and {value}");
                expected[name] = value;
            }
        }
        Assert.Contains("TUNSETIFF", expected.Keys);
        Assert.True(expected.Count > 300);
        Compare(expected, CProbe.Evaluate(CProbe.Headers, expected.Keys));
    }

    [CompilerFact]
    public void Close_on_exec_and_non_blocking_are_the_same_bits_everywhere()
    {
        var expected = new Dictionary<string, long>();
        foreach (string prefix in new[] { "SOCK", "EFD", "TFD", "IN" })
        {
            expected[$"{prefix}_CLOEXEC"] = (long)OpenFlags.O_CLOEXEC;
            expected[$"{prefix}_NONBLOCK"] = (long)OpenFlags.O_NONBLOCK;
        }
        expected["EPOLL_CLOEXEC"] = (long)OpenFlags.O_CLOEXEC;
        expected["O_DIRECTORY"] = (long)ArchitectureOpenFlags.O_DIRECTORY;
        expected["O_NOFOLLOW"] = (long)ArchitectureOpenFlags.O_NOFOLLOW;
        Compare(expected, CProbe.Evaluate(CProbe.Headers, expected.Keys));
    }

    [CompilerFact]
    public void Epoll_events_are_laid_out_as_Epoll_reads_them()
    {
        Dictionary<string, long> actual = CProbe.Evaluate(CProbe.Headers,
            ["sizeof(struct epoll_event)", "offsetof(struct epoll_event, events)", "offsetof(struct epoll_event, data)"]);
        Assert.Equal(Epoll.IsPacked ? [12, 0, 4] : [16, 0, 8], actual.Values);
        Assert.Equal(16, Unsafe.SizeOf<EpollEvent>());
    }

    [CompilerFact]
    public void System_call_numbers_are_those_of_both_architectures()
    {
        List<SyscallId> all = typeof(Syscalls).GetFields(BindingFlags.Public | BindingFlags.Static)
            .Select(field => (SyscallId)field.GetValue(null)!).ToList();
        Assert.All(typeof(Syscalls).GetFields(BindingFlags.Public | BindingFlags.Static), field => Assert.Equal(field.Name, ((SyscallId)field.GetValue(null)!).Name));
        const string print = "int printf(const char *, ...);\n";
        const string wants = "#define __ARCH_WANT_RENAMEAT\n#define __ARCH_WANT_NEW_STAT\n#define __ARCH_WANT_SET_GET_RLIMIT\n"
            + "#define __ARCH_WANT_SYS_CLONE3\n#define __ARCH_WANT_TIME32_SYSCALLS\n#define __ARCH_WANT_MEMFD_SECRET\n";
        // arm64 takes the numbers of the generic table; it and x86-64's own are both in the headers of either.
        Check(wants + print + "#undef __NR_syscalls\n#include <asm-generic/unistd.h>", all, call => call.Arm64);
        if (RuntimeInformation.ProcessArchitecture == Architecture.X64) Check(print + "#include <asm/unistd.h>", all, call => call.X64);
    }

    private static void Check(string preamble, List<SyscallId> calls, Func<SyscallId, int> number)
    {
        Dictionary<string, long> actual = CProbe.Evaluate(preamble, calls.Select(call => $"?__NR_{call.Name}"));
        Assert.All(calls, call => Assert.Equal((call.Name, number(call)), (call.Name, (int)actual.GetValueOrDefault($"__NR_{call.Name}", -1))));
    }

    private static void Describe(Type type, string name, Dictionary<string, long> expected)
    {
        string guard = NewerStructs.TryGetValue(type, out string? macro) ? $"?{macro}?" : "";
        expected[$"{guard}sizeof(struct {name})"] = SizeOf(type);
        foreach (FieldInfo field in type.GetFields(BindingFlags.Public | BindingFlags.Instance))
        {
            expected[$"{guard}offsetof(struct {name}, {field.Name})"] = Marshal.OffsetOf(type, field.Name);
            if (field.FieldType != typeof(short) || name != "ifreq") // the rest of ifreq's union is not described
                expected[$"{guard}sizeof(((struct {name} *)0)->{field.Name})"] = SizeOf(field.FieldType);
        }
    }

    private static long SizeOf(Type type) => type.IsPointer
        ? IntPtr.Size
        : (int)typeof(Unsafe).GetMethod(nameof(Unsafe.SizeOf))!.MakeGenericMethod(type).Invoke(null, null)!;

    private static void Compare(Dictionary<string, long> expected, Dictionary<string, long> actual) =>
        Assert.All(expected, pair =>
        {
            string name = CProbe.Plain(pair.Key);
            if (actual.TryGetValue(name, out long value)) Assert.Equal((name, pair.Value), (name, value));
            else Assert.StartsWith("?", pair.Key, StringComparison.Ordinal);
        });
}
