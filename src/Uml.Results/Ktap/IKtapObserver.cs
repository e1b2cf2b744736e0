using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>
/// Told of tests while a log is read, in the order of the log, for a live tree. Called from within
/// <see cref="KtapParser"/>'s methods; what it throws goes to that caller.
/// </summary>
public interface IKtapObserver
{
    /// <summary>A suite has begun.</summary>
    /// <param name="path">The names of the suites it is in, outermost first.</param>
    /// <param name="name">Its name; empty when the log does not say before the end.</param>
    /// <param name="plan">How many tests it announced, or null. Told a second time, with a number, when that comes later.</param>
    void Started(ImmutableArray<string> path, string name, int? plan);

    /// <summary>A test, or a suite with all its tests, has ended.</summary>
    /// <param name="path">The names of the suites it is in, outermost first.</param>
    /// <param name="test">The test.</param>
    void Finished(ImmutableArray<string> path, KtapTest test);

    /// <summary>Something is wrong with the log.</summary>
    /// <param name="complaint">What.</param>
    void Complained(KtapComplaint complaint);
}
