using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Slirp.Linux.Native;

/// <summary>Registers that arguments of a system call travel in, by the octets that load them.</summary>
internal enum Register : ushort
{
    Rdi = 0x48bf,
    Rsi = 0x48be,
    Rdx = 0x48ba,
    Rcx = 0x48b9,
}

/// <summary>Instructions for x86-64 that make system calls: for the few moments when no managed code can run.</summary>
/// <remarks>A call spoils rax, rcx and r11, and the argument registers keep what they were loaded with (System V ABI for
/// x86-64, A.2.1). Nothing is pushed.</remarks>
internal sealed class MachineCode
{
    private readonly List<byte> _octets = [];

    /// <summary>Whether this machine runs them.</summary>
    internal static bool IsSupported => RuntimeInformation.ProcessArchitecture == Architecture.X64;

    internal int Length => _octets.Count;

    internal byte[] ToArray() => [.. _octets];

    internal void Add(params ReadOnlySpan<byte> octets) => _octets.AddRange(octets);

    /// <summary>mov register, value</summary>
    internal void Load(Register register, nint value)
    {
        Add((byte)((ushort)register >> 8), (byte)register);
        Span<byte> operand = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(operand, value);
        Add(operand);
    }

    /// <summary>A call of at most three arguments; the fourth and fifth are 0.</summary>
    internal void Call(SyscallId call, nint first = 0, nint second = 0, nint third = 0)
    {
        Load(Register.Rdi, first);
        Load(Register.Rsi, second);
        Load(Register.Rdx, third);
        Add(0x4d, 0x31, 0xd2); // xor r10, r10
        Add(0x4d, 0x31, 0xc0); // xor r8, r8
        CallWithLoaded(call);
    }

    /// <summary>A call whose arguments are in their registers.</summary>
    internal void CallWithLoaded(SyscallId call)
    {
        Span<byte> number = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(number, call.X64);
        Add(0xb8); // mov eax, number
        Add(number);
        Add(0x0f, 0x05); // syscall
    }
}
