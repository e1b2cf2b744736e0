using Xunit;

namespace Uml.CI.TestHost;

/// <summary>
/// Which tests, classes, collections and assemblies of this process hold a guest. A test below one of them never waits for
/// another guest: what it holds could be what everybody waits for.
/// </summary>
internal static class GuestHolders
{
    private static readonly Lock Lock = new();
    private static readonly Dictionary<string, int> Held = new(StringComparer.Ordinal);

    /// <summary>Whether whoever runs now, or something it belongs to, holds a guest.</summary>
    public static bool Includes(ITestContext context)
    {
        lock (Lock)
            return Scopes(context).Any(Held.ContainsKey);
    }

    /// <summary>Notes that whoever runs now holds a guest, until what is returned is disposed of.</summary>
    public static IDisposable Add(ITestContext context)
    {
        string scope = Scopes(context).FirstOrDefault("");
        lock (Lock)
            Held[scope] = Held.GetValueOrDefault(scope) + 1;
        return new Holder(scope);
    }

    // The narrowest first: what a fixture of a class starts belongs to the class.
    private static IEnumerable<string> Scopes(ITestContext context) => new[]
    {
        context.Test?.UniqueID, context.TestCase?.UniqueID, context.TestClass?.UniqueID, context.TestCollection?.UniqueID, context.TestAssembly?.UniqueID,
    }.OfType<string>();

    private sealed class Holder(string scope) : IDisposable
    {
        private int _disposed;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _disposed, 1) != 0)
                return;
            lock (Lock)
            {
                if (--Held[scope] == 0)
                    Held.Remove(scope);
            }
        }
    }
}
