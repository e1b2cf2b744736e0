using System.Collections.Immutable;
using System.Reflection;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Uml.CI.Tests;

/// <summary>Options are equal when they describe the same guest, whatever property there will be.</summary>
public sealed class GuestOptionsTests
{
    private static readonly BindingFlags Instance = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic;

    public static TheoryData<string> Properties => [.. typeof(GuestOptions).GetProperties(Instance).Where(p => p.CanWrite).Select(p => p.Name)];

    [Theory]
    [MemberData(nameof(Properties))]
    public void Every_property_makes_a_difference(string name)
    {
        PropertyInfo property = typeof(GuestOptions).GetProperty(name, Instance)!;
        GuestOptions one = Build(), other = Build();
        object changed = Other(property.PropertyType, property.GetValue(one));
        property.SetValue(other, changed);

        Assert.NotEqual(one, other);
        property.SetValue(one, changed);
        Assert.Equal(one, other);
    }

    [Fact]
    public void Built_alike_is_equal()
    {
        Assert.Equal(Build(), Build());
        Assert.Equal(Build().GetHashCode(), Build().GetHashCode());
    }

    private static GuestOptions Build() => new GuestBuilder()
        .WithKernelArguments("a", "b=c")
        .WithArtifact("/from", "/to")
        .WithMount("/share", "/there", MountMode.CopyOnWrite)
        .WithEnvironment("NAME", "value")
        .WithRoot(GuestRoot.Directory("/somewhere"))
        .Options;

    // A type that is not here is new: say what another value of it is, and see that Equals compares it.
    private static object Other(Type type, object? value) => value switch
    {
        bool b => !b,
        int n => n + 1,
        long n => n + 1,
        string s => s + "x",
        TimeSpan t => t + TimeSpan.FromSeconds(1),
        KernelReference => KernelReference.Debian("bookworm"),
        GuestRoot => GuestRoot.Directory("/elsewhere"),
        ImmutableArray<string> list => list.SetItem(0, "other"),
        ImmutableArray<GuestMount> list => list.SetItem(0, list[0] with { Mode = MountMode.ReadOnly }),
        ImmutableArray<GuestArtifact> list => list.SetItem(0, list[0] with { GuestPath = "/other" }),
        ImmutableSortedDictionary<string, string> map => map.SetItem("NAME", "other"),
        ILogger => new NullLogger<GuestOptionsTests>(),
        null when type == typeof(string) => "other",
        null when type == typeof(long?) => 1L << 30,
        null when type == typeof(TimeSpan?) => TimeSpan.FromSeconds(1),
        null when type == typeof(DateTimeOffset?) => DateTimeOffset.UnixEpoch,
        null when type == typeof(KernelResolveOptions) => new KernelResolveOptions { Offline = true },
        null when type == typeof(BootTrace) => new BootTrace(followsLog: false),
        null when type == typeof(Action<KernelLogLine>) => (Action<KernelLogLine>)(_ => { }),
        null when type == typeof(InitSystem) => InitSystem.Systemd,
        // Not visible here.
        null when type.Name == "ScratchFile" => RuntimeHelpers.GetUninitializedObject(type),
        _ => throw new InvalidOperationException($"{type} is new: what is another value of it?"),
    };
}
