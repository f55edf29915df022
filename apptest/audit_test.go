package apptest_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/apptest"
)

// TestKillWhileAuditIsRecorded makes keys while the server is killed again and
// again: every one whose making was answered is in the warehouse once, and
// nothing is there twice.
func TestKillWhileAuditIsRecorded(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	random := rand.New(rand.NewPCG(3, 4))
	made := map[string]bool{}
	for kill := range 5 {
		until := time.Now().Add(time.Duration(300+random.IntN(1200)) * time.Millisecond)
		for n := 0; time.Now().Before(until) || len(made) < 4*(kill+1); n++ {
			name := fmt.Sprintf("key %d %d", kill, n)
			if status, _, err := s.Do("POST", "/api/v1/keys", map[string]any{"name": name, "role": "viewer"}); err == nil && status == http.StatusCreated {
				made[name] = true
			}
			time.Sleep(time.Duration(random.IntN(50)) * time.Millisecond)
		}
		s.Kill()
		s.Run()
		s.WaitReady(30 * time.Second)
	}
	var missing string
	apptest.Eventually(t, 30*time.Second, func() error {
		rows, err := s.TryQuery("SELECT object, number FROM millrace.audit WHERE action = 'key.create' ORDER BY number", "")
		if err != nil {
			return err
		}
		seen, numbers := map[string]int{}, map[string]int{}
		for _, row := range rows.Rows {
			seen[fmt.Sprint(row[0])]++
			numbers[fmt.Sprint(row[1])]++
		}
		var lost []string
		for name := range made {
			if seen[name] == 0 {
				lost = append(lost, name)
			}
		}
		for number, n := range numbers {
			if n != 1 {
				t.Errorf("entry %s is there %d times", number, n)
			}
		}
		if missing = strings.Join(lost, ", "); missing != "" {
			return fmt.Errorf("of %d keys these are missing: %s", len(made), missing)
		}
		return nil
	})
}
